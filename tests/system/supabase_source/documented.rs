use tandem_connectors::mautic::FIELDS;
use tandem_core::mapping::RuleSet;
use tandem_core::mapping::rules::Blank;
use tandem_tests::paths;

/// The cells of the rows of the table that begins with this header.
fn table(text: &str, header: &str) -> Vec<Vec<String>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn the_documented_columns_are_those_of_the_sample_and_go_where_the_rules_say() {
    let text = std::fs::read_to_string(paths::project().join("docs/supabase.md")).unwrap();
    let rules = RuleSet::parse(FIELDS).unwrap();
    let documented = table(&text, "| column | field in Mautic");
    for row in &documented {
        let rule = rules.rule_of(&row[0]).unwrap();
        let null = if rule.blank == Blank::Clear { "cleared" } else { "kept" };
        let transform = format!("{:?}", rule.transform).to_lowercase();
        assert_eq!([rule.remote.as_deref().unwrap(), &transform, null], [&*row[1], &*row[2], &*row[3]], "{}", row[0]);
    }
    let mut sample = csv::Reader::from_path(paths::data("customers-500.csv")).unwrap();
    let columns = sample.headers().unwrap().iter();
    let fields: Vec<&str> =
        columns.filter(|column| rules.rule_of(column).is_some_and(|rule| rule.remote.is_some())).collect();
    assert_eq!(documented.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), fields);
}
