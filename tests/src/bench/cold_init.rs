//! From the start of a function's process to its first request for an event, beside a function that does nothing.

use std::path::Path;

use super::{Figure, Measured, built, milliseconds, quantile, system};
use crate::function::{FunctionProcess, environment};
use crate::sqs_stub::SqsStub;

/// Starts of each function.
const STARTS: usize = 20;

/// Figures of one function, a value for each start.
#[derive(Default)]
struct Starts {
    milliseconds: Vec<f64>,
    resident_kib: Vec<f64>,
}

/// Measures both in turn, so that what else the machine does meets both alike.
///
/// # Errors
/// When a function is not built.
pub async fn run() -> Measured {
    let (function, empty) = (built("mautic-sync")?, built("empty-function")?);
    let (system, sqs) = (system().await, SqsStub::start().await);
    let environment = environment(&system, &sqs);
    // The first start of each reads the program from the disk: it counts for neither.
    let (mut ours, mut nothing) = (Starts::default(), Starts::default());
    Starts::default().add(&empty, &environment).await;
    Starts::default().add(&function, &environment).await;
    for _ in 0..STARTS {
        nothing.add(&empty, &environment).await;
        ours.add(&function, &environment).await;
    }
    let ratio = ours.median() / nothing.median();
    let mut figures = ours.figures("mautic_sync", &function);
    figures.extend(nothing.figures("empty_function", &empty));
    figures.push(Figure::new("cold_init_ratio", ratio, "times"));
    Ok(figures)
}

impl Starts {
    async fn add(&mut self, program: &Path, environment: &[(String, String)]) {
        let process = FunctionProcess::start(program, environment).await;
        self.milliseconds.push(milliseconds(process.cold_init().await));
        self.resident_kib.extend(process.memory_kib("VmRSS").map(|kib| kib as f64));
        process.stop().await;
    }

    fn median(&self) -> f64 {
        quantile(&self.milliseconds, 0.5)
    }

    fn figures(&self, name: &str, program: &Path) -> Vec<Figure> {
        let bytes = std::fs::metadata(program).map_or(0, |data| data.len());
        vec![
            Figure::new(format!("cold_init_{name}"), self.median(), "ms"),
            Figure::new(format!("cold_init_rss_{name}"), quantile(&self.resident_kib, 0.5), "KiB"),
            Figure::new(format!("binary_{name}"), bytes as f64, "bytes"),
        ]
    }
}
