//! The names of a file's columns, as people and their programs write them, to the names of fields.

use std::collections::HashSet;

use tandem_core::domain::identity::Email;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::relationship;
use tandem_core::mapping::{FieldRole, RuleSet};
use tandem_core::sync::tells_when_made;

/// What was said about the columns.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The column with the application's id.
    pub id_column: Option<String>,
    /// Fields of columns; a blank one leaves the column out.
    pub map: Vec<(String, String)>,
}

/// The columns of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Of each column, under which names its cells are kept: none when it is ignored, two for an address that is the id as well.
    pub kept: Vec<Vec<String>>,
    /// Columns by their names in the file, and the fields that they are read as.
    pub recognised: Vec<(String, String)>,
    /// Columns that no field rule knows.
    pub ignored: Vec<String>,
}

/// What a record that the application does not have any more is marked by.
const DELETED: &str = "deleted";
/// What columns of ids are called, where none is called `id`.
const IDS: &[&str] = &["customerid", "userid", "contactid", "memberid", "accountid", "personid", "uuid", "guid"];
/// What fields are called in files, beside the names that their rules know.
const SYNONYMS: &[(&str, &str)] = &[
    ("mail", "email"),
    ("emailaddresses", "email"),
    ("primaryemail", "email"),
    ("forename", "first_name"),
    ("surname", "last_name"),
    ("organisation", "company"),
    ("organization", "company"),
    ("mobilenumber", "mobile"),
    ("cell", "mobile"),
    ("cellphone", "mobile"),
    ("phonenumber", "phone"),
    ("address", "address_line1"),
    ("streetaddress", "address_line1"),
    ("optin", "marketing_opt_in"),
    ("subscribed", "marketing_opt_in"),
    ("newsletter", "marketing_opt_in"),
    ("emailconsent", "marketing_opt_in"),
    ("marketingconsent", "marketing_opt_in"),
    ("emailmarketing", "marketing_opt_in"),
    ("acceptsmarketing", "marketing_opt_in"),
    ("acceptsemailmarketing", "marketing_opt_in"),
    ("modifiedat", "updated_at"),
    ("lastmodified", "updated_at"),
    ("lastchanged", "updated_at"),
];

/// Reads a header; or says why it can't be used.
pub fn read(header: &[String], kind: Kind, rules: &RuleSet, said: &Said) -> Result<Columns, String> {
    if header.iter().all(String::is_empty) {
        return Err("the file has no header: its first line must name the columns".to_owned());
    }
    if header.iter().any(|name| name.parse::<Email>().is_ok()) {
        return Err("line 1: it holds an address, and must name the columns".to_owned());
    }
    let mut reading = Reading { header, kind, rules, kept: vec![Vec::new(); header.len()], left_out: HashSet::new() };
    reading.by_what_was_said(&said.map)?;
    let id = reading.id(said.id_column.as_deref())?;
    reading.by_exact_names()?;
    reading.by_loose_names()?;
    reading.by_their_own_names()?;
    reading.kept[id].insert(0, "id".to_owned());
    reading.needs_an_address()?;
    Ok(reading.columns())
}

struct Reading<'a> {
    header: &'a [String],
    kind: Kind,
    rules: &'a RuleSet,
    kept: Vec<Vec<String>>,
    left_out: HashSet<usize>,
}

impl Reading<'_> {
    fn by_what_was_said(&mut self, map: &[(String, String)]) -> Result<(), String> {
        for (column, field) in map {
            let place = self.place(column).ok_or_else(|| format!("--map: no column is named {column}"))?;
            if field.is_empty() {
                self.left_out.insert(place);
            } else if self.is_field(field) || self.takes_all() {
                self.kept[place].push(field.clone());
            } else {
                return Err(format!("--map: no field rule knows {field}"));
            }
        }
        self.no_name_twice()
    }

    fn is_field(&self, name: &str) -> bool {
        let is_known = || self.rules.rule_of(name).is_some() || relationship::is_column(self.kind, name);
        name == DELETED || tells_when_made(name) || is_known()
    }

    /// Of records that are no people every column is kept: what is not mapped here may be on another platform.
    fn takes_all(&self) -> bool {
        !self.kind.is_person()
    }

    /// The place of a column, by its name or one that differs in nothing but case, blanks and signs.
    fn place(&self, name: &str) -> Option<usize> {
        let exact = self.header.iter().position(|own| own == name.trim());
        exact.or_else(|| self.header.iter().position(|own| loose(own) == loose(name)))
    }

    /// The place of the column of ids.
    fn id(&mut self, told: Option<&str>) -> Result<usize, String> {
        let mapped = self.kept.iter().position(|kept| kept.iter().any(|name| self.is_id(name)));
        if let Some(place) = mapped {
            self.kept[place].retain(|name| name != "id");
            return Ok(place);
        }
        let missing = |name: &str| {
            format!(
                "line 1: no column is named {name}; --id-column names the one with the id, for which an address will do"
            )
        };
        if let Some(name) = told {
            let place = self.place(name).ok_or_else(|| missing(name))?;
            let other = self.header.iter().position(|own| own == "id").filter(|other| *other != place);
            if other.is_some_and(|other| !self.left_out.contains(&other)) {
                return Err(format!(
                    "line 1: beside {name}, the column of ids, there is one named id: leave it out with --map id="
                ));
            }
            return Ok(place);
        }
        let own = self.place("id").or_else(|| self.header.iter().position(|name| self.is_id(name)));
        let others = || self.header.iter().enumerate().filter(|(_, name)| IDS.contains(&loose(name).as_str()));
        match (own, others().count()) {
            (Some(place), _) => Ok(place),
            (None, 1) => Ok(others().map(|(place, _)| place).next().unwrap_or(0)),
            (None, _) => Err(missing("id")),
        }
    }

    fn is_id(&self, name: &str) -> bool {
        name == "id" || self.rules.role_of(name) == Some(FieldRole::ExternalId)
    }

    fn is_open(&self, place: usize) -> bool {
        self.kept[place].is_empty() && !self.left_out.contains(&place)
    }

    fn by_exact_names(&mut self) -> Result<(), String> {
        for (place, name) in self.header.iter().enumerate() {
            if self.is_open(place) && self.is_field(name) && !self.is_id(name) {
                self.kept[place].push(name.clone());
            }
        }
        self.no_name_twice()
    }

    /// What is called almost as a field, unless a column has that field already.
    fn by_loose_names(&mut self) -> Result<(), String> {
        let taken: HashSet<String> = self.kept.iter().flatten().map(|name| self.local(name)).collect();
        for (place, name) in self.header.iter().enumerate() {
            let Some(field) = self.loosely(name).filter(|field| !taken.contains(&self.local(field))) else { continue };
            if self.is_open(place) && !self.is_id(&field) {
                self.kept[place].push(field);
            }
        }
        self.no_name_twice()
    }

    fn by_their_own_names(&mut self) -> Result<(), String> {
        for (place, name) in self.header.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if self.takes_all() && self.is_open(place) && !self.is_id(name) {
                self.kept[place].push(name.clone());
            }
        }
        self.no_name_twice()
    }

    fn local(&self, name: &str) -> String {
        self.rules.rule_of(name).map_or(name, |rule| rule.local.as_str()).to_owned()
    }

    fn loosely(&self, name: &str) -> Option<String> {
        let given = loose(name);
        let names = self.rules.rules().iter().flat_map(|rule| rule.names());
        let known = names.chain([DELETED]).find(|known| loose(known) == given);
        let known = known.or_else(|| relationship::columns_of(self.kind).find(|known| loose(known) == given));
        let synonym = || SYNONYMS.iter().find(|(synonym, _)| *synonym == given).map(|(_, field)| *field);
        known.or_else(synonym).filter(|field| self.is_field(field)).map(str::to_owned)
    }

    fn no_name_twice(&self) -> Result<(), String> {
        let mut seen: Vec<(&String, &String)> = Vec::new();
        for (column, kept) in self.header.iter().zip(&self.kept) {
            for field in kept {
                match seen.iter().find(|(_, known)| *known == field) {
                    Some((other, _)) if *other == column => {
                        return Err(format!("line 1: two columns are named {column}"));
                    }
                    Some((other, _)) => {
                        return Err(format!(
                            "line 1: the columns {other} and {column} are both read as {field}: --map \"{column}=\" leaves one out"
                        ));
                    }
                    None => seen.push((column, field)),
                }
            }
        }
        Ok(())
    }

    fn needs_an_address(&self) -> Result<(), String> {
        let has = |local: &str| self.kept.iter().flatten().any(|name| self.local(name) == local);
        if has("email") || has(DELETED) || !self.kind.is_person() {
            return Ok(());
        }
        Err("line 1: no column holds addresses: --map \"COLUMN=email\" says which one does".to_owned())
    }

    fn columns(self) -> Columns {
        let mut columns = Columns::default();
        for (place, (name, kept)) in self.header.iter().zip(&self.kept).enumerate() {
            let shown = if name.is_empty() { format!("column {}, without a name", place + 1) } else { name.clone() };
            if kept.is_empty() {
                columns.ignored.push(shown);
            } else {
                columns.recognised.push((shown, kept.join(", ")));
            }
        }
        columns.kept = self.kept;
        columns
    }
}

/// A name without what people write differently: case, blanks, signs.
fn loose(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> RuleSet {
        RuleSet::parse(tandem_connectors::mautic::FIELDS).unwrap()
    }

    fn columns(header: &[&str], id_column: Option<&str>, map: &[(&str, &str)]) -> Result<Columns, String> {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let map = map.iter().map(|(column, field)| ((*column).to_owned(), (*field).to_owned())).collect();
        read(&header, Kind::Person, &rules(), &Said { id_column: id_column.map(str::to_owned), map })
    }

    fn recognised(header: &[&str]) -> Vec<(String, String)> {
        columns(header, None, &[]).unwrap().recognised
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(column, field)| ((*column).to_owned(), (*field).to_owned())).collect()
    }

    #[test]
    fn names_that_differ_in_case_blanks_and_signs_are_found() {
        let header =
            ["Customer ID", "E-Mail Address", "First Name", "LAST_NAME", "Opt-in?", "Shoe size", "Created At", ""];
        let found = columns(&header, None, &[]).unwrap();
        assert_eq!(
            found.recognised,
            pairs(&[
                ("Customer ID", "id"),
                ("E-Mail Address", "email_address"),
                ("First Name", "first_name"),
                ("LAST_NAME", "last_name"),
                ("Opt-in?", "marketing_opt_in"),
                ("Created At", "Created At"),
            ])
        );
        assert_eq!(found.ignored, ["Shoe size", "column 8, without a name"]);
        assert_eq!(recognised(&["id", "landline", "phone", "email"]).len(), 4, "two names of one field, each exact");
    }

    #[test]
    fn what_is_said_goes_before_what_is_found() {
        let map = [("email address", "email"), ("Email", "")];
        let found = columns(&["id", "Email", "Email Address"], None, &map).unwrap();
        assert_eq!(found.recognised, pairs(&[("id", "id"), ("Email Address", "email")]));
        let by_address = columns(&["email", "name"], Some("Email"), &[]).unwrap();
        assert_eq!(by_address.kept[0], ["id", "email"]);
    }

    #[test]
    fn what_can_not_be_used_is_told() {
        for (header, id_column, map, told) in [
            (&["", ""][..], None, &[][..], "no header"),
            (&["7", "ann@example.com"], None, &[], "holds an address"),
            (&["a", "email"], None, &[], "no column is named id"),
            (&["id", "name"], None, &[], "no column holds addresses"),
            (&["id", "email", "email"], None, &[], "two columns are named email"),
            (&["id", "E-Mail", "mail"], None, &[], "E-Mail and mail are both read as email"),
            (&["id", "email"], Some("key"), &[], "no column is named key"),
            (&["id", "key", "email"], Some("key"), &[], "beside key"),
            (&["id", "email"], None, &[("x", "email")], "no column is named x"),
            (&["id", "email"], None, &[("id", "shoe_size")], "no field rule knows shoe_size"),
        ] {
            let error = columns(header, id_column, map).unwrap_err();
            assert!(error.contains(told), "{error} instead of {told}");
        }
        assert!(columns(&["id", "deleted"], None, &[]).is_ok(), "a list of records that are gone needs no address");
    }
}
