//! Amounts of money as they are written in different countries.

use crate::domain::{Currency, Money};

/// What separates the decimals, where a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    Point,
    Comma,
}

impl Decimal {
    fn mark(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// Most decimals that are kept.
const DECIMALS: usize = 6;

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAmount {
    #[error("is no amount")]
    Shape,
    #[error("may be written with thousands or with decimals")]
    Ambiguous,
    #[error("has more than {DECIMALS} decimals")]
    TooFine,
    #[error("is too large")]
    TooLarge,
    #[error("has another currency than its column says")]
    OtherCurrency,
}

/// Reads an amount, with its currency where one stands beside the number; the millionths, and that currency.
pub(super) fn read(text: &str, decimal: Option<Decimal>) -> Result<(i64, Option<Currency>), NoAmount> {
    let text = text.trim();
    let letters = |c: char| c.is_ascii_alphabetic();
    let (code, number) = if text.starts_with(letters) {
        let end = text.find(|c: char| !letters(c)).ok_or(NoAmount::Shape)?;
        (Some(&text[..end]), &text[end..])
    } else if text.ends_with(letters) {
        let number = text.trim_end_matches(letters);
        (Some(&text[number.len()..]), number)
    } else {
        (None, text)
    };
    let currency = code.map(|code| code.to_ascii_uppercase().parse()).transpose().map_err(|_| NoAmount::Shape)?;
    Ok((micros(number.trim(), decimal)?, currency))
}

/// An amount and the currency that its column, or the command, names.
pub(super) fn with_currency(
    (micros, beside): (i64, Option<Currency>),
    named: Option<Currency>,
) -> Result<Option<Money>, NoAmount> {
    if let (Some(beside), Some(named)) = (beside, named)
        && beside != named
    {
        return Err(NoAmount::OtherCurrency);
    }
    Ok(beside.or(named).map(|currency| Money { micros, currency }))
}

fn micros(number: &str, decimal: Option<Decimal>) -> Result<i64, NoAmount> {
    let (negative, digits) = match number.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let mark = match decimal {
        Some(decimal) => Some(decimal.mark()),
        None => decimal_mark(digits)?,
    };
    let (whole, part) = match mark.and_then(|mark| digits.rsplit_once(mark)) {
        Some((_, "")) => return Err(NoAmount::Shape),
        Some((whole, part)) => (whole, part),
        None => (digits, ""),
    };
    if mark.is_some_and(|mark| whole.contains(mark)) {
        return Err(NoAmount::Shape);
    }
    let part = part.trim_end_matches('0');
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoAmount::Shape);
    }
    if part.len() > DECIMALS {
        return Err(NoAmount::TooFine);
    }
    let whole = without_thousands(whole).ok_or(NoAmount::Shape)?;
    let whole: i64 = whole.parse().map_err(|_| NoAmount::TooLarge)?;
    let part: i64 = format!("{part:0<DECIMALS$}").parse().map_err(|_| NoAmount::Shape)?;
    let micros = whole.checked_mul(Money::MICROS).and_then(|whole| whole.checked_add(part));
    micros.map(|micros| if negative { -micros } else { micros }).ok_or(NoAmount::TooLarge)
}

/// What separates the decimals of a number that stands alone. Where points and commas stand together it is the last of
/// them; where one of them stands more than once it separates thousands. One that stands once and has three digits behind
/// it may be either, unless what is before it cannot be thousands.
fn decimal_mark(digits: &str) -> Result<Option<char>, NoAmount> {
    let count = |mark| digits.matches(mark).count();
    match (count('.'), count(',')) {
        (0, 0) => Ok(None),
        (0, 1) | (1, 0) => {
            let mark = if count('.') == 1 { '.' } else { ',' };
            let (whole, part) = digits.split_once(mark).unwrap_or((digits, ""));
            let digits = whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
            let thousands = part.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
            if thousands && digits { Err(NoAmount::Ambiguous) } else { Ok(Some(mark)) }
        }
        (_, 0) | (0, _) => Ok(None),
        (points, commas) => match (digits.rfind('.') > digits.rfind(','), points, commas) {
            (true, 1, _) => Ok(Some('.')),
            (false, _, 1) => Ok(Some(',')),
            _ => Err(NoAmount::Shape),
        },
    }
}

/// Separates thousands and never decimals.
fn is_group_mark(c: char) -> bool {
    matches!(c, '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}')
}

/// The digits of a whole number; `None` where it is none, or is not grouped by threes with one and the same mark.
fn without_thousands(whole: &str) -> Option<String> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(mark) = whole.chars().find(|c| !c.is_ascii_digit()) else {
        return plain(whole).then(|| whole.to_owned());
    };
    if !is_group_mark(mark) && !matches!(mark, '.' | ',') {
        return None;
    }
    let mut groups = whole.split(mark);
    let first = groups.next().filter(|first| plain(first) && first.len() <= 3)?;
    let rest: Vec<&str> = groups.collect();
    rest.iter().all(|group| plain(group) && group.len() == 3).then(|| format!("{first}{}", rest.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written_anywhere() {
        for (text, micros) in [
            ("120", 120_000_000),
            ("120.50", 120_500_000),
            ("120,5", 120_500_000),
            ("0.125", 125_000),
            ("0,125", 125_000),
            ("1234.567", 1_234_567_000),
            ("1,234.56", 1_234_560_000),
            ("1.234,56", 1_234_560_000),
            ("1.234.567", 1_234_567_000_000),
            ("1,234,567.8", 1_234_567_800_000),
            ("1'234.50", 1_234_500_000),
            ("1 234,50", 1_234_500_000),
            ("1\u{202f}234,500", 1_234_500_000),
            ("-20.00", -20_000_000),
            ("\u{2212}20", -20_000_000),
            ("+3", 3_000_000),
            ("0.0000010", 1),
            ("9.9999", 9_999_900),
        ] {
            assert_eq!(read(text, None), Ok((micros, None)), "{text}");
        }
        let eur = "EUR".parse().unwrap();
        for text in ["EUR 12.50", "12,50 EUR", "12.50eur", "EUR12.5"] {
            assert_eq!(read(text, None), Ok((12_500_000, Some(eur))), "{text}");
        }
    }

    #[test]
    fn what_may_be_thousands_or_decimals_is_refused_unless_it_is_said() {
        for (text, point, comma) in [("1.234", 1_234_000, 1_234_000_000), ("12,345", 12_345_000_000, 12_345_000)] {
            assert_eq!(read(text, None), Err(NoAmount::Ambiguous), "{text}");
            assert_eq!(read(text, Some(Decimal::Point)), Ok((point, None)), "{text}");
            assert_eq!(read(text, Some(Decimal::Comma)), Ok((comma, None)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "12.",
            "a",
            "EUR",
            "12 EURO",
            "$12",
            "1,23,456",
            "1.2.3",
            "1,2,3.4",
            "1.234,5,6",
            "(20.00)",
            "1e5",
            "12-",
            "1'23",
            "--1",
            ",5",
            "1 234 5",
            "٣",
            "1,2345.6",
            "0x10",
        ] {
            let read = read(text, None);
            assert!(matches!(read, Err(NoAmount::Shape)), "{text:?} became {read:?}");
        }
        assert_eq!(read("0.1234567", None), Err(NoAmount::TooFine));
        assert_eq!(read("9223372036855", None), Err(NoAmount::TooLarge));
        assert_eq!(read("99999999999999999999", None), Err(NoAmount::TooLarge));
        assert_eq!(read("12,34.5", Some(Decimal::Point)), Err(NoAmount::Shape));
    }

    #[test]
    fn a_currency_is_named_once() {
        let [eur, usd]: [Currency; 2] = ["EUR".parse().unwrap(), "USD".parse().unwrap()];
        let money = |currency| Ok(Some(Money { micros: 1, currency }));
        assert_eq!(with_currency((1, Some(eur)), None), money(eur));
        assert_eq!(with_currency((1, None), Some(usd)), money(usd));
        assert_eq!(with_currency((1, None), None), Ok(None));
        assert_eq!(with_currency((1, Some(eur)), Some(usd)), Err(NoAmount::OtherCurrency));
    }
}
