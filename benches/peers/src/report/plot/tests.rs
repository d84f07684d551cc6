use std::{env, process, thread};

use super::*;
use crate::scenario::{self, Figure, Scenario};

/// What a scenario's picture looks like when everybody has taken part in three runs.
fn picture(scenario: &Scenario) -> String {
    let contenders = scenario.contenders.iter();
    let outcomes: Vec<Outcome> = contenders.map(|name| outcome(scenario, name)).collect();
    let test = format!("peers-plot-{}-{:?}", process::id(), thread::current().id());
    let folder = env::temp_dir().join(test);
    plot(&folder, scenario.about, &outcomes).unwrap();
    let file = folder.join(format!("{}.svg", scenario.name));
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_dir_all(folder).unwrap();
    text
}

fn outcome(scenario: &Scenario, peer: &str) -> Outcome {
    let runs: Vec<Vec<Figure>> = [90.0, 100.0, 123.456]
        .iter()
        .map(|&value| {
            vec![
                Figure::more("throughput", "MB/s", value * 1e4),
                Figure::less("CPU", "us/message", value / 1e4),
                Figure::less("not shown", "%", value),
            ]
        })
        .collect();
    Outcome {
        scenario: scenario.name.to_owned(),
        peer: peer.to_owned(),
        settings: String::new(),
        socket_buffers: None,
        seconds: 1,
        runs: runs.len(),
        figures: Summary::of(&runs),
        failures: Vec::new(),
    }
}

/// A text of a picture: where it begins and ends at most, and what it says.
struct Text {
    from: i32,
    to: i32,
    middle: i32,
    says: String,
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let begin = element.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
    element[begin..].split('"').next().unwrap()
}

fn texts(picture: &str) -> Vec<Text> {
    let elements = picture.split("<text").skip(1);
    let text = |element: &str| {
        let number = |name| attribute(element, name).parse::<f64>().unwrap();
        let says = element.split('>').nth(1).unwrap();
        let says = says
            .split('<')
            .next()
            .unwrap()
            .trim()
            .replace("&apos;", "'");
        let width = text_width(&says, number("font-size") as i32 * 100 / 80);
        let x = number("x") as i32;
        let (from, to) = match attribute(element, "text-anchor") {
            "end" => (x - width, x),
            _ => (x, x + width),
        };
        Text {
            from,
            to,
            middle: number("y") as i32,
            says,
        }
    };
    elements.map(text).collect()
}

#[test]
fn nothing_is_cut_and_everything_is_said() {
    for scenario in scenario::all() {
        let picture = picture(&scenario);
        let texts = texts(&picture);
        let height: i32 = attribute(&picture, "height").parse().unwrap();
        for text in &texts {
            let (name, says) = (scenario.name, &text.says);
            assert!(text.from >= 0, "{name}: {says}");
            assert!(text.to <= WIDTH as i32, "{name}: {says}");
            assert!((8..height - 8).contains(&text.middle), "{name}: {says}");
        }
        let says = |what: &str| texts.iter().filter(|text| text.says == what).count();
        assert_eq!(says(scenario.name), 1);
        let how = "medians of 3 runs of 1 s, with the least and the most";
        assert_eq!(says(how), 1);
        assert_eq!(says("throughput in MB/s; more is better"), 1);
        assert_eq!(says("CPU in us/message; less is better"), 1);
        for contender in scenario.contenders {
            // The scenario that shows the proxy has one contender, in two panels as well.
            assert_eq!(says(contender), 2, "{}: {contender}", scenario.name);
        }
        let median = scenario.contenders.len();
        assert_eq!(says("1000000"), median);
        assert_eq!(says("0.01"), median);
    }
}

#[test]
fn bars_have_their_colors_and_whiskers() {
    let scenario = scenario::find(&["bulk".to_owned()]).unwrap().remove(0);
    let picture = picture(&scenario);
    for contender in scenario.contenders {
        let RGBColor(red, green, blue) = palette::color(contender);
        let fill = format!("fill=\"#{red:02X}{green:02X}{blue:02X}\"");
        assert_eq!(picture.matches(&fill).count(), 2, "{contender}");
    }
    // In each of two panels an axis, and for each contender a line with two ends.
    let lines = picture.matches("<polyline").count() + picture.matches("<line").count();
    assert_eq!(lines, 2 * (1 + 3 * scenario.contenders.len()));
}

#[test]
fn long_texts_are_wrapped_between_words() {
    let text = "five words of which some";
    let lines = wrapped(text, text_width("five words", TEXT) + TEXT);
    assert_eq!(lines, ["five words", "of which", "some"]);
    assert_eq!(wrapped(text, 10_000), [text]);
    assert_eq!(wrapped("unbreakable", 1), ["unbreakable"]);
}
