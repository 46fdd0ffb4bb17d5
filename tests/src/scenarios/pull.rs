//! `pull`: people are edited on both sides between runs. For every strategy, the expected side wins each field; nothing
//! echoes, and nobody who opted out anywhere is mailed again.

mod oracle;

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::whom::Whom;
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::conflict::Side;
use tandem_core::sync::run::{Stopped, SyncOptions};
use tandem_core::sync::services::Desk;

use super::import::desk_over;
use super::{Proof, Size};
use crate::list_source::ListSource;
use crate::system::{Options, System};
use crate::version;
use oracle::{Edit, FIELDS, Person, Texts};

/// How often both sides edit.
const ROUNDS: usize = 4;
/// Mautic's dates have whole seconds: so long after an edit, another is later without doubt.
const CLEARLY_LATER: Duration = Duration::from_millis(2_100);

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let people = size.pick(20, 200);
    let of = |strategy| under(strategy, people);
    let (last, merge, manual) = tokio::join!(of("last_write_wins"), of("field_merge"), of("manual"));
    Ok(format!(
        "{people} people, {ROUNDS} rounds of edits: {}; {}; {}; no echo, no opt-out undone",
        last?, merge?, manual?
    ))
}

struct Office {
    strategy: &'static str,
    system: System,
    source: ListSource,
    desk: Desk,
    people: Vec<Person>,
    chance: StdRng,
    serial: u32,
    edits: usize,
}

/// What both sides do to a person in a round.
struct Plan {
    before: Texts,
    ours: Option<Edit>,
    theirs: Option<Edit>,
    /// Whether the application's edit is the later one.
    later: bool,
}

async fn under(strategy: &'static str, people: usize) -> Proof {
    let mut office = Office::open(strategy, people).await;
    office.sync().await?;
    office.check().await?;
    for _ in 0..ROUNDS {
        office.round().await;
        office.sync().await?;
        office.check().await?;
    }
    let decided = office.decide_all().await?;
    office.check().await?;
    office.is_quiet().await?;
    let handed: usize = office.people.iter().map(|person| person.handed.len()).sum();
    let out = office.people.iter().filter(|person| person.opted_out).count();
    let decisions = if decided > 0 { format!(", {decided} decided by a person") } else { String::new() };
    Ok(format!("{strategy}: {} edits, {handed} fields came back{decisions}, {out} opt-outs kept", office.edits))
}

impl Office {
    async fn open(strategy: &'static str, people: usize) -> Self {
        let mautic = version::mautic().race_window(Duration::ZERO).latency(Duration::ZERO);
        let options = Options { mautic, ..Options::default() }.with("TANDEM_CONFLICT_STRATEGY", strategy);
        let system = System::with(options.without_worker()).await;
        let people: Vec<Person> = (0..people).map(Person::new).collect();
        let source = ListSource::default();
        let desk = desk_over(&system, &source);
        let chance = StdRng::seed_from_u64(31);
        let office = Self { strategy, system, source, desk, people, chance, serial: 0, edits: 0 };
        office.people.iter().for_each(|person| office.say(person, true));
        office
    }

    /// The application changes its row, or says it again.
    fn say(&self, person: &Person, opt_in: bool) {
        let mut fields: Map<String, Value> =
            person.row.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        fields.insert("email".to_owned(), json!(person.email()));
        fields.insert("country".to_owned(), json!("AU"));
        fields.insert("tags".to_owned(), json!(person.row_tags));
        fields.insert("marketing_opt_in".to_owned(), json!(opt_in));
        let updated_at = Some(self.system.now());
        let fields = fields.into_iter().collect();
        self.source.put([SourceRow { id: person.id(), updated_at, fields, deleted: false }]);
    }

    /// The application edits some rows, then Mautic's people some contacts, then the application other rows.
    async fn round(&mut self) {
        let plans: Vec<Plan> = (0..self.people.len()).map(|index| self.plan(index)).collect();
        self.application_edits(&plans, false);
        tokio::time::sleep(CLEARLY_LATER).await;
        for (person, plan) in self.people.iter().zip(&plans) {
            if let Some(theirs) = &plan.theirs {
                self.edit_there(person, theirs).await;
            }
        }
        tokio::time::sleep(CLEARLY_LATER).await;
        self.application_edits(&plans, true);
        for (person, plan) in self.people.iter_mut().zip(&plans) {
            let edit = |edit: &Option<Edit>| edit.clone().unwrap_or_default();
            person.settle(&plan.before, &edit(&plan.ours), &edit(&plan.theirs), plan.later, self.strategy);
        }
    }

    fn plan(&mut self, index: usize) -> Plan {
        let (chance, person) = (&mut self.chance, &mut self.people[index]);
        // What the application took over and changed before a run saw it, nobody can tell from what it said before.
        let (before, said_tags) = (person.row.clone(), person.row_tags.clone());
        let takes_over = chance.random_bool(0.3);
        if takes_over {
            person.take_over();
        }
        let (ours, theirs) = *[(true, true), (true, true), (true, false), (false, true), (false, false)]
            .choose(chance)
            .unwrap_or(&(true, true));
        let ours = ours.then(|| person.edit(chance, &mut self.serial, &said_tags));
        let ours = ours.or_else(|| takes_over.then(Edit::default));
        let mut theirs = theirs.then(|| person.edit(chance, &mut self.serial, &person.tags));
        if let Some(theirs) = &mut theirs {
            theirs.points = chance.random_range(0..4);
        }
        self.edits += [&ours, &theirs].into_iter().flatten().map(|edit| edit.fields.len()).sum::<usize>();
        Plan { before, ours, theirs, later: chance.random_bool(0.5) }
    }

    fn application_edits(&mut self, plans: &[Plan], later: bool) {
        for (index, plan) in plans.iter().enumerate().filter(|(_, plan)| plan.later == later) {
            let Some(ours) = &plan.ours else { continue };
            let person = &mut self.people[index];
            person.row.extend(ours.fields.clone());
            person.row_tags.extend(ours.add.clone());
            person.row_tags.retain(|tag| Some(tag) != ours.remove.as_ref());
            self.say(&self.people[index], !ours.opt_out);
        }
    }

    async fn edit_there(&self, person: &Person, edit: &Edit) {
        let contact = self.system.contact(&person.email()).id;
        let post = async |path: String, body| self.system.in_mautic(Method::POST, &path, body).await;
        if edit.points > 0 {
            post(format!("/api/contacts/{contact}/points/plus/{}", edit.points), None).await;
        }
        if edit.opt_out {
            post(format!("/api/contacts/{contact}/dnc/email/add"), Some(json!({"reason": 3, "comments": "by hand"})))
                .await;
        }
        let named = FIELDS.iter().filter_map(|(name, remote)| Some((*remote, edit.fields.get(name)?)));
        let mut body: Map<String, Value> =
            named.map(|(remote, value)| (remote.to_owned(), json!(value.clone().unwrap_or_default()))).collect();
        let removed = edit.remove.iter().map(|tag| format!("-{tag}"));
        let tags: Vec<String> = edit.add.iter().cloned().chain(removed).collect();
        if !tags.is_empty() {
            body.insert("tags".to_owned(), json!(tags));
        }
        body.insert("overwriteWithBlank".to_owned(), json!(true));
        self.system.in_mautic(Method::PATCH, &format!("/api/contacts/{contact}/edit"), Some(Value::Object(body))).await;
    }

    async fn sync(&self) -> Result<(), String> {
        for _ in 0..20 {
            let options = SyncOptions { pull: true, accept_losses: true, ..SyncOptions::default() };
            match self.desk.sync(options).await.map_err(told)?.stopped {
                None => return Ok(()),
                Some(Stopped::Paused(_)) => tokio::time::sleep(Duration::from_millis(500)).await,
                Some(other) => return Err(format!("{}: a run stopped: {other:?}", self.strategy)),
            }
        }
        Err(format!("{}: a run never came to its end", self.strategy))
    }

    /// Compares everybody with what the three sides hold.
    async fn check(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        for person in &self.people {
            let found = self.differences(person).await?;
            wrong.extend(found.into_iter().map(|what| format!("{what} of person {}", person.number)));
        }
        match wrong.first() {
            None => Ok(()),
            Some(first) => Err(format!("{}: {} things are wrong, the first: {first}", self.strategy, wrong.len())),
        }
    }

    async fn differences(&self, person: &Person) -> Result<Vec<String>, String> {
        let contact = self.system.contact(&person.email());
        let known = self.desk.know(&whom(person)?).await.map_err(told)?;
        let stored = known.record.ok_or("a record is missing")?.1;
        let record = stored.record.ok_or("a record is missing")?;
        let mut wrong = Vec::new();
        for (name, remote) in FIELDS {
            expect(
                &mut wrong,
                &format!("{name} in Mautic"),
                text(contact.fields.get(*remote)),
                person.there[name].clone(),
            );
            expect(
                &mut wrong,
                &format!("{name} in the record"),
                text(record.fields.get(*name)),
                person.record[name].clone(),
            );
        }
        let listed =
            set(record.fields.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
        expect(&mut wrong, "tags in Mautic", set(contact.tags.iter().map(String::as_str)), person.tags.clone());
        expect(&mut wrong, "tags in the record", listed, person.tags.clone());
        let points = record.fields.get("points").and_then(Value::as_f64).unwrap_or_default();
        expect(&mut wrong, "points", points, person.points as f64);
        let contested: Vec<&str> =
            stored.link.iter().flat_map(|link| link.conflicts.keys()).map(String::as_str).collect();
        expect(&mut wrong, "contested fields", contested, person.contested.iter().copied().collect());
        expect(&mut wrong, "fields handed over", self.handed(person), person.handed.clone());
        let consent = self.system.consent(&person.email()).await?;
        let mailable = !contact.dnc.iter().any(|entry| entry["channel"] == "email");
        expect(&mut wrong, "opt-out", consent == Some(ConsentStatus::OptedOut), person.opted_out);
        expect(&mut wrong, "leave to mail in Mautic", mailable, !person.opted_out);
        expect(&mut wrong, "marketing_opt_in", is_true(contact.fields.get("marketing_opt_in")), !person.opted_out);
        Ok(wrong)
    }

    /// What the source was handed of a person's texts, without what was told twice.
    fn handed(&self, person: &Person) -> Vec<(String, Value)> {
        let mut handed = Vec::new();
        for pulled in self.source.pulled().into_iter().filter(|pulled| pulled.id == person.id()) {
            let names =
                FIELDS.iter().filter_map(|(name, _)| Some(((*name).to_owned(), pulled.fields.get(*name)?.clone())));
            handed.extend(names);
        }
        handed
    }

    /// A person decides what is contested: half for each side. Gives their number.
    async fn decide_all(&mut self) -> Result<usize, String> {
        let listed = self.desk.contested(None, 1_000).await.map_err(told)?.0;
        let listed: usize = listed.iter().map(|person| person.fields.len()).sum();
        let open: Vec<(usize, &'static str)> = self
            .people
            .iter()
            .enumerate()
            .flat_map(|(index, person)| person.contested.iter().map(move |name| (index, *name)))
            .collect();
        if listed != open.len() || (self.strategy == "manual") == open.is_empty() {
            return Err(format!("{}: {listed} fields are listed, and {} are contested", self.strategy, open.len()));
        }
        for ((index, name), side) in open.iter().zip([Side::Application, Side::Platform].into_iter().cycle()) {
            self.desk.decide(&whom(&self.people[*index])?, name, side, "proof").await.map_err(told)?;
            self.people[*index].decide(name, side);
        }
        self.system.start_worker();
        self.system.finish().await;
        Ok(open.len())
    }

    /// Further runs write nothing, there or back.
    async fn is_quiet(&self) -> Result<(), String> {
        self.sync().await?;
        let (writes, handed) = (self.writes(), self.source.pulled().len());
        for full in [false, true] {
            let options = SyncOptions { pull: true, full, accept_losses: true, ..SyncOptions::default() };
            let ran = self.desk.sync(options).await.map_err(told)?;
            let (written, pulled) = (ran.log.created + ran.log.updated, ran.log.pulled);
            if ran.stopped.is_some() || written + pulled > 0 {
                let kind = if full { "full" } else { "further" };
                return Err(format!("{}: a {kind} run wrote {written} contacts and took {pulled} back", self.strategy));
            }
        }
        if self.writes() > writes || self.source.pulled().len() > handed {
            return Err(format!("{}: further runs made {} writes in Mautic", self.strategy, self.writes() - writes));
        }
        self.check().await
    }

    fn writes(&self) -> u64 {
        let calls = self.system.mautic.stats().calls;
        calls
            .iter()
            .filter(|(route, _)| !route.starts_with("GET ") && route.contains("/api/"))
            .map(|(_, count)| count)
            .sum()
    }
}

fn whom(person: &Person) -> Result<Whom, String> {
    Ok(Whom { email: Some(person.email().parse().map_err(told)?), ..Whom::default() })
}

fn expect<T: PartialEq + std::fmt::Debug>(wrong: &mut Vec<String>, what: &str, found: T, wanted: T) {
    if found != wanted {
        wrong.push(format!("{what}: {found:?}, and not {wanted:?},"));
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn set<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|value| [json!(true), json!(1), json!("1")].contains(value))
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
