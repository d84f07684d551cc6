//! A scenario's result as a picture: bars with least and most, a panel for each of the first two
//! figures. A contender has the same colour in all of them.

mod palette;

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::table::number;
use super::{Outcome, Summary};

const WIDTH: u32 = 800;
const MARGIN: i32 = 12;
const NAME: i32 = 20;
const TEXT: i32 = 15;
/// The scenario's name, and each line of what it is.
const NAME_HEIGHT: u32 = 34;
const LINE_HEIGHT: u32 = 19;
const PANEL_TITLE: u32 = 34;
const ROW: u32 = 24;
/// Above and below a bar, and half of what ends a whisker.
const GAP: i32 = 4;
const CAP: i32 = 4;
/// Behind the longest bar: a number.
const NUMBER_WIDTH: i32 = 80;
const PANELS: usize = 2;

const INK: RGBColor = RGBColor(0x22, 0x2a, 0x33);
const PALE: RGBColor = RGBColor(0xd0, 0xd6, 0xdd);

/// Writes `<scenario>.svg` into a folder.
///
/// # Errors
/// What keeps it from writing.
pub fn plot(folder: &Path, about: &str, outcomes: &[Outcome]) -> Result<()> {
    let shown: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| !outcome.figures.is_empty())
        .collect();
    let Some(first) = shown.first() else {
        return Ok(());
    };
    fs::create_dir_all(folder)?;
    let file = folder.join(format!("{}.svg", first.scenario));
    let width = WIDTH as i32 - 2 * MARGIN;
    let mut lines = wrapped(about, width);
    lines.extend(wrapped(&how_measured(&shown), width));
    let panels = first.figures.len().min(PANELS) as u32;
    let title = NAME_HEIGHT + LINE_HEIGHT * lines.len() as u32;
    let panel = PANEL_TITLE + ROW * shown.len() as u32;
    let size = (WIDTH, title + panels * panel + MARGIN as u32);
    let area = SVGBackend::new(&file, size).into_drawing_area();
    draw(&area, &lines, &shown).map_err(|error| anyhow!("{error}"))
}

/// How many runs of which length bars and lines stand for.
fn how_measured(outcomes: &[&Outcome]) -> String {
    let seconds = outcomes.first().map_or(0, |outcome| outcome.seconds);
    let runs = outcomes.iter().map(|outcome| outcome.runs);
    let (least, most) = (runs.clone().min().unwrap_or(0), runs.max().unwrap_or(0));
    let runs = match (least, most) {
        (1, 1) => return format!("one run of {seconds} s"),
        (least, most) if least == most => most.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    format!("medians of {runs} runs of {seconds} s, with the least and the most")
}

/// What a text takes at most: fonts differ, and this is one of the widest. A size is that of a whole line;
/// letters are drawn at four fifths of it.
fn text_width(text: &str, size: i32) -> i32 {
    text.chars().count() as i32 * size * 53 / 100
}

/// Lines that fit.
fn wrapped(text: &str, width: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(line, TEXT) + text_width(word, TEXT) + TEXT <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(area: &Area<'_>, lines: &[String], outcomes: &[&Outcome]) -> Drawn {
    area.fill(&WHITE)?;
    let scenario = outcomes.first().map_or("", |outcome| &outcome.scenario);
    let mut top = NAME_HEIGHT as i32;
    write(area, scenario, (MARGIN, top / 2 + 2), NAME, HPos::Left)?;
    for line in lines {
        let middle = top + LINE_HEIGHT as i32 / 2;
        write(area, line, (MARGIN, middle), TEXT, HPos::Left)?;
        top += LINE_HEIGHT as i32;
    }
    for index in 0..PANELS {
        let figures: Vec<(&str, &Summary)> = outcomes
            .iter()
            .filter_map(|outcome| Some((&*outcome.peer, outcome.figures.get(index)?)))
            .collect();
        draw_panel(area, top, &figures)?;
        top += (PANEL_TITLE + ROW * outcomes.len() as u32) as i32;
    }
    Ok(area.present()?)
}

fn draw_panel(area: &Area<'_>, top: i32, figures: &[(&str, &Summary)]) -> Drawn {
    let Some((_, first)) = figures.first() else {
        return Ok(());
    };
    let names = figures.iter().map(|(peer, _)| text_width(peer, TEXT));
    let left = MARGIN + names.max().unwrap_or_default() + GAP;
    let width = WIDTH as i32 - NUMBER_WIDTH - left;
    let better = if first.more_is_better { "more" } else { "less" };
    let caption = format!("{} in {}; {better} is better", first.name, first.unit);
    let middle = top + PANEL_TITLE as i32 * 2 / 3;
    write(area, &caption, (left, middle), TEXT, HPos::Left)?;
    let most = figures.iter().map(|(_, figure)| figure.max);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| left + (value.max(0.0) / most * f64::from(width)) as i32;
    let top = top + PANEL_TITLE as i32;
    let bottom = top + (ROW * figures.len() as u32) as i32;
    area.draw(&PathElement::new([(left, top), (left, bottom)], PALE))?;
    for (index, (peer, figure)) in figures.iter().enumerate() {
        let top = top + (ROW * index as u32) as i32;
        let (middle, bottom) = (top + ROW as i32 / 2, top + ROW as i32);
        let bar = [(left, top + GAP), (x(figure.median), bottom - GAP)];
        area.draw(&Rectangle::new(bar, palette::color(peer).filled()))?;
        let (min, max) = (x(figure.min), x(figure.max));
        area.draw(&PathElement::new([(min, middle), (max, middle)], INK))?;
        for end in [min, max] {
            let cap = [(end, middle - CAP), (end, middle + CAP)];
            area.draw(&PathElement::new(cap, INK))?;
        }
        write(area, peer, (left - 2 * GAP, middle), TEXT, HPos::Right)?;
        let value = number(figure.median);
        let after = (max.max(x(figure.median)) + 2 * GAP, middle);
        write(area, &value, after, TEXT, HPos::Left)?;
    }
    Ok(())
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), size: i32, side: HPos) -> Drawn {
    let style = ("sans-serif", size)
        .into_text_style(area)
        .color(&INK)
        .pos(Pos::new(side, VPos::Center));
    Ok(area.draw_text(text, &style, at)?)
}

#[cfg(test)]
mod tests;
