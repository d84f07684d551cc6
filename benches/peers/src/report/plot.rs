//! A scenario's result as a picture: bars with least and most, a panel for each of the first two
//! figures.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::table::number;
use super::{Outcome, Summary};

const WIDTH: u32 = 760;
const TITLE: u32 = 34;
const PANEL_TITLE: u32 = 28;
const ROW: u32 = 22;
/// Where bars begin and where the longest ends.
const BARS: (i32, i32) = (130, 640);
const PANELS: usize = 2;

const OURS: RGBColor = RGBColor(0x0b, 0x6e, 0x6e);
const THEIRS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const BOUND: RGBColor = RGBColor(0xd9, 0xdd, 0xe2);
const INK: RGBColor = RGBColor(0x22, 0x2a, 0x33);

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
    let panels = first.figures.len().min(PANELS) as u32;
    let panel = PANEL_TITLE + ROW * shown.len() as u32 + ROW / 2;
    let area = SVGBackend::new(&file, (WIDTH, TITLE + panels * panel)).into_drawing_area();
    draw(&area, about, &shown, panel).map_err(|error| anyhow!("{error}"))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(area: &Area<'_>, about: &str, outcomes: &[&Outcome], panel: u32) -> Drawn {
    area.fill(&WHITE)?;
    let (title, mut rest) = area.split_vertically(TITLE);
    let scenario = outcomes.first().map_or("", |outcome| &outcome.scenario);
    write(
        &title,
        &format!("{scenario}: {about}"),
        (10, 17),
        18,
        HPos::Left,
    )?;
    for index in 0..PANELS {
        let figures: Vec<(&str, &Summary)> = outcomes
            .iter()
            .filter_map(|outcome| Some((&*outcome.peer, outcome.figures.get(index)?)))
            .collect();
        let (this, below) = rest.split_vertically(panel);
        draw_panel(&this, &figures)?;
        rest = below;
    }
    Ok(area.present()?)
}

fn draw_panel(area: &Area<'_>, figures: &[(&str, &Summary)]) -> Drawn {
    let Some((_, first)) = figures.first() else {
        return Ok(());
    };
    let better = if first.more_is_better { "more" } else { "less" };
    let caption = format!("{}, {} ({better} is better)", first.name, first.unit);
    write(area, &caption, (BARS.0, 14), 16, HPos::Left)?;
    let most = figures.iter().map(|(_, figure)| figure.max);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| BARS.0 + (value / most * f64::from(BARS.1 - BARS.0)) as i32;
    for (index, (peer, figure)) in figures.iter().enumerate() {
        let top = (PANEL_TITLE + ROW * index as u32) as i32;
        let middle = top + ROW as i32 / 2;
        let color = match *peer {
            "undertone" => OURS,
            "limit" | "udp" => BOUND,
            _ => THEIRS,
        };
        let bar = [(BARS.0, top + 3), (x(figure.median), top + ROW as i32 - 3)];
        area.draw(&Rectangle::new(bar, color.filled()))?;
        let ends = [(x(figure.min), middle), (x(figure.max), middle)];
        area.draw(&PathElement::new(ends, INK))?;
        write(area, peer, (BARS.0 - 8, middle), 16, HPos::Right)?;
        let value = number(figure.median);
        write(area, &value, (x(figure.max) + 6, middle), 16, HPos::Left)?;
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
