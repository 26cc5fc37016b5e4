//! MS-DOS times and dates (4.4.6): steps of two seconds from 1980 to 2107, without a zone. Taken for UTC here.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

use super::short;

/// 1980-01-01T00:00:00 and 2107-12-31T23:59:58.
const FIRST: u32 = 0x0021_0000;
const LAST: u32 = 0xff9f_bf7d;

/// For people.
pub fn dos_time(field: &[u8]) -> Option<String> {
    let (time, date) = (short(field, 0)?, short(field, 2)?);
    let day = format!("{:04}-{:02}-{:02}", 1980 + (date >> 9), date >> 5 & 15, date & 31);
    Some(format!("{day} {:02}:{:02}:{:02}", time >> 11, time >> 5 & 63, (time & 31) * 2))
}

/// Seconds since 1970 as a date and a time, rounded down; what is too early or too late as the first or the last one.
pub fn dos_seconds(seconds: i64) -> u32 {
    let Some(time) = DateTime::from_timestamp(seconds, 0) else { return LAST };
    let year = match u32::try_from(time.year() - 1980) {
        Ok(year @ 0..=127) => year,
        Ok(_) => return LAST,
        Err(_) => return FIRST,
    };
    let date = year << 9 | time.month() << 5 | time.day();
    (date << 16) | (time.hour() << 11) | (time.minute() << 5) | (time.second() / 2)
}

/// Seconds since 1970; `None` where there is no such date or time.
pub fn seconds_of_dos(dos: u32) -> Option<i64> {
    let (date, time) = (dos >> 16, dos & 0xffff);
    let year = i32::try_from(1980 + (date >> 9)).ok()?;
    let day = NaiveDate::from_ymd_opt(year, date >> 5 & 15, date & 31)?;
    let time = day.and_hms_opt(time >> 11, time >> 5 & 63, (time & 31) * 2)?;
    Some(time.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_written_as_they_are_read() {
        for (seconds, text, back) in [
            (1_700_000_001, "2023-11-14 22:13:20", 1_700_000_000),
            (0, "1980-01-01 00:00:00", 315_532_800),
            (i64::MIN, "2107-12-31 23:59:58", 4_354_819_198),
            (8_589_934_591, "2107-12-31 23:59:58", 4_354_819_198),
        ] {
            let dos = dos_seconds(seconds);
            assert_eq!(dos_time(&dos.to_le_bytes()).unwrap(), text);
            assert_eq!(seconds_of_dos(dos), Some(back));
        }
        assert_eq!((dos_seconds(0), dos_seconds(8_589_934_591)), (FIRST, LAST));
        assert_eq!([0, 0x0021_ffff].map(seconds_of_dos), [None, None]);
    }

    proptest! {
        #[test]
        fn later_is_greater(a in 315_532_800i64..4_354_819_200, b in 315_532_800i64..4_354_819_200) {
            prop_assert_eq!(seconds_of_dos(dos_seconds(a)), Some(a - a % 2));
            prop_assert_eq!(dos_seconds(a).cmp(&dos_seconds(b)), (a / 2).cmp(&(b / 2)));
        }
    }
}
