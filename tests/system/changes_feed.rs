//! What came from the platform, for an application that reads it from Tandem: each change once, in order, for those who resume.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::engagement::EmailStatus;
use tandem_core::domain::whom::Whom;
use tandem_tests::client::Answer;
use tandem_tests::hands::Hands;
use tandem_tests::system::{KEY, Options, System};

const EMAIL: &str = "ada@example.com";

struct Shop {
    system: System,
    hands: Hands,
    contact: String,
}

impl Shop {
    /// One person whom the application and Mautic agree on; Mautic calls.
    async fn open(options: Options) -> Self {
        let hands = Hands::default();
        let system = System::with(Options { clock: Arc::new(hands.clone()), ..options }).await;
        system.guard().await;
        let mut shop = Self { system, hands, contact: String::new() };
        shop.contact = shop.says("Perth").await;
        shop.a_second_later().await;
        shop
    }

    /// The application says where the person lives.
    async fn says(&self, city: &str) -> String {
        let contact = json!({"email": EMAIL, "first_name": "Ada", "city": city});
        let payload = json!({"id": "u1", "contact": contact, "consent": {"marketing_opt_in": true}});
        let answer = self.system.caller.upsert(payload).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.contact_id().unwrap().to_owned()
    }

    /// Mautic's dates have whole seconds.
    async fn a_second_later(&self) {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }

    async fn edits(&self, fields: Value) {
        let path = format!("/api/contacts/{}/edit", self.contact);
        self.system.in_mautic(Method::PATCH, &path, Some(fields)).await;
        self.system.finish().await;
    }

    /// Waits until the record has this value: Mautic's webhook comes when it comes, and a change is noted before it is stored.
    async fn has_come(&self, name: &str, value: Value) {
        let whom = Whom { email: Some(EMAIL.parse().unwrap()), ..Whom::default() };
        for _ in 0..200 {
            let (_, stored) = self.system.desk().remember(&whom).await.unwrap().record.unwrap();
            if stored.record.unwrap().fields.get(name) == Some(&value) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} does not come");
    }

    /// Waits until the source counts as told of this.
    async fn is_told(&self, email: &str, status: EmailStatus) {
        for _ in 0..200 {
            self.system.finish().await;
            if self.system.feedback(email).await.is_some_and(|told| told.email_status == status) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{email} does not become {status:?}");
    }

    async fn read(&self, query: &str) -> Answer {
        let request = self.system.caller.bare(Method::GET, &format!("/api/v1/changes{query}")).bearer_auth(KEY);
        self.system.caller.send(request).await.unwrap()
    }

    /// All changes, once they are settled, read one at a time.
    async fn all(&self) -> Vec<Value> {
        self.hands.move_on(SignedDuration::from_secs(20));
        let (mut all, mut query) = (Vec::new(), "?limit=1".to_owned());
        loop {
            let answer = self.read(&query).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            all.extend(answer.data()["changes"].as_array().unwrap().clone());
            match answer.data()["next"].as_str().filter(|_| answer.data()["more"] == json!(true)) {
                Some(next) => query = format!("?limit=1&after={next}"),
                None => return all,
            }
        }
    }
}

fn fields(changes: &[Value]) -> Vec<Value> {
    changes.iter().map(|change| change["fields"].clone()).collect()
}

#[tokio::test]
async fn an_edit_a_form_a_bounce_and_an_opt_out_appear_once_and_in_order() {
    let shop = Shop::open(Options::default()).await;
    shop.edits(json!({"lastname": "Byron"})).await;
    shop.has_come("last_name", json!("Byron")).await;
    shop.a_second_later().await;
    let field = |alias: &str, kind: &str| json!({"label": alias, "alias": alias, "type": kind, "mappedField": alias});
    let form = json!({"name": "Survey", "formType": "standalone", "isPublished": true, "postAction": "return",
        "fields": [field("email", "email"), field("city", "text")]});
    let form = shop.system.in_mautic(Method::POST, "/api/forms/new", Some(form)).await["form"]["id"].take();
    let number: u64 = shop.contact.parse().unwrap();
    let sent = json!({"contact": number, "address": EMAIL, "form": form, "fields": {"city": "Sydney"}});
    shop.system.engage("submit", sent).await;
    shop.has_come("city", json!("Sydney")).await;
    // Another one: of an address that bounced, Mautic takes no opt-out any more.
    let other = json!({"id": "u2", "contact": {"email": "eve@example.com"}});
    assert_eq!(shop.system.caller.upsert(other).await.unwrap().status, 200);
    shop.system.engage("bounce", json!({"address": "eve@example.com"})).await;
    shop.is_told("eve@example.com", EmailStatus::Bounced).await;
    shop.system.engage("unsubscribe", json!({"address": EMAIL})).await;
    shop.is_told(EMAIL, EmailStatus::Unsubscribed).await;
    let changes = shop.all().await;
    let named: Vec<Vec<String>> =
        changes.iter().map(|change| change["fields"].as_object().unwrap().keys().cloned().collect()).collect();
    assert_eq!(named[..3], [vec!["last_name"], vec!["city"], vec!["email_status"]], "{changes:?}");
    assert_eq!(named.len(), 4, "{changes:?}");
    assert!(named[3].contains(&"marketing_opt_in".to_owned()), "{changes:?}");
    let told = fields(&changes);
    assert_eq!((&told[0]["last_name"], &told[1]["city"]), (&json!("Byron"), &json!("Sydney")));
    assert_eq!(told[3]["marketing_opt_in"], json!(false));
    let whose: Vec<_> = changes.iter().map(|change| (&change["id"], &change["email"])).collect();
    let [ada, eve] = [("u1", EMAIL), ("u2", "eve@example.com")].map(|(id, email)| (json!(id), json!(email)));
    let expected = [&ada, &ada, &eve, &ada].map(|(id, email)| (id, email));
    assert_eq!(whose, expected);
    for change in &changes {
        assert_eq!((&change["integration"], &change["kind"]), (&json!("mautic"), &json!("person")), "{change}");
        assert_eq!(change["saidBy"], json!("platform"), "{change}");
    }
    // The hourly look and a run find nothing that was not told.
    shop.system.desk().sync(Default::default()).await.unwrap();
    shop.system.desk().repair_gaps("test").await.unwrap();
    shop.system.finish().await;
    assert_eq!(shop.all().await, changes);
}

#[tokio::test]
async fn what_the_application_says_itself_is_no_change_and_values_are_those_of_now() {
    let shop = Shop::open(Options::default()).await;
    shop.says("Hobart").await;
    shop.a_second_later().await;
    assert_eq!(shop.all().await, Vec::<Value>::new());
    shop.edits(json!({"city": "Sydney"})).await;
    shop.has_come("city", json!("Sydney")).await;
    shop.a_second_later().await;
    shop.edits(json!({"city": "Darwin"})).await;
    shop.has_come("city", json!("Darwin")).await;
    assert_eq!(fields(&shop.all().await), [json!({"city": "Darwin"}), json!({"city": "Darwin"})]);
    let delete = json!({"action": "delete_contact", "payload": {"email": EMAIL}});
    assert_eq!(shop.system.caller.call(&delete).await.unwrap().status, 200);
    assert_eq!(shop.all().await, Vec::<Value>::new(), "nothing of who was erased is told");
}

#[tokio::test]
async fn a_reader_who_resumes_misses_nothing_and_is_shown_nothing_before_it_is_settled() {
    let shop = Shop::open(Options::default()).await;
    shop.edits(json!({"city": "Sydney"})).await;
    shop.has_come("city", json!("Sydney")).await;
    let early = shop.read("").await;
    assert_eq!((&early.data()["changes"], &early.data()["next"]), (&json!([]), &Value::Null));
    let first = shop.all().await;
    assert_eq!(fields(&first), [json!({"city": "Sydney"})]);
    shop.a_second_later().await;
    shop.edits(json!({"lastname": "Byron"})).await;
    shop.has_come("last_name", json!("Byron")).await;
    shop.hands.move_on(SignedDuration::from_secs(20));
    let after = format!("?after={}", first[0]["cursor"].as_str().unwrap());
    for _ in 0..2 {
        let resumed = shop.read(&after).await;
        assert_eq!(fields(resumed.data()["changes"].as_array().unwrap()), [json!({"last_name": "Byron"})]);
    }
    let last = shop.read(&after).await.data()["next"].as_str().unwrap().to_owned();
    let end = shop.read(&format!("?after={last}")).await;
    assert_eq!(
        (&end.data()["changes"], &end.data()["next"], &end.data()["more"]),
        (&json!([]), &json!(last), &json!(false))
    );
    for wrong in ["?after=x", "?kinds=firm", "?limit=0"] {
        assert_eq!(shop.read(wrong).await.status, 422, "{wrong}");
    }
}

#[tokio::test]
async fn an_application_with_its_own_database_has_no_feed_and_nothing_is_kept_for_it() {
    let options = Options::default()
        .with("SUPABASE_URL", "http://127.0.0.1:9")
        .with("SUPABASE_SERVICE_ROLE_KEY", "key-of-nobody")
        .without_worker();
    let shop = Shop::open(options).await;
    let answer = shop.read("").await;
    assert_eq!((answer.status, answer.error_code()), (404, "no_changes_kept"));
}
