use super::*;

fn put_varint(value: u64, out: &mut Vec<u8>) {
    let mut groups = vec![(value & 0x7f) as u8];
    let mut rest = value >> 7;
    while rest > 0 {
        groups.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.extend(groups.iter().rev());
}

fn record(columns: &[Column<'_>]) -> Vec<u8> {
    let (mut types, mut values) = (Vec::new(), Vec::new());
    for column in columns {
        match column {
            Column::Null | Column::Other => put_varint(0, &mut types),
            Column::Integer(number) => {
                put_varint(4, &mut types);
                values.extend((*number as i32).to_be_bytes());
            }
            Column::Text(text) => {
                put_varint(13 + 2 * text.len(), &mut types);
                values.extend(*text);
            }
            Column::Blob(bytes) => {
                put_varint(12 + 2 * bytes.len(), &mut types);
                values.extend(*bytes);
            }
        }
    }
    let mut all = Vec::new();
    put_varint(types.len() as u64 + 1, &mut all);
    [all, types, values].concat()
}

/// A cell of a leaf; what does not fit goes into pages of its own.
fn cell(payload: &[u8], number_of: u64, pages: &mut Vec<Vec<u8>>, size: usize) -> Vec<u8> {
    let mut cell = Vec::new();
    put_varint(payload.len() as u64, &mut cell);
    put_varint(number_of, &mut cell);
    let (most, least) = (size - 35, (size - 12) * 32 / 255 - 23);
    if payload.len() <= most {
        cell.extend(payload);
        return cell;
    }
    let fits = least + (payload.len() - least) % (size - 4);
    let (here, rest) = payload.split_at(if fits <= most { fits } else { least });
    cell.extend(here);
    cell.extend((pages.len() as u32 + 1).to_be_bytes());
    let parts: Vec<&[u8]> = rest.chunks(size - 4).collect();
    for (count, part) in parts.iter().enumerate() {
        let next = if count + 1 < parts.len() { pages.len() as u32 + 2 } else { 0 };
        let mut page = [&next.to_be_bytes()[..], part].concat();
        page.resize(size, 0);
        pages.push(page);
    }
    cell
}

fn page(kind: u8, start: usize, cells: &[Vec<u8>], right: u32, size: usize) -> Vec<u8> {
    let mut page = vec![0; size];
    page[start] = kind;
    page[start + 3..start + 5].copy_from_slice(&(cells.len() as u16).to_be_bytes());
    let array = if kind == INTERIOR {
        page[start + 8..start + 12].copy_from_slice(&right.to_be_bytes());
        start + 12
    } else {
        start + 8
    };
    let mut end = size;
    for (count, cell) in cells.iter().enumerate() {
        end -= cell.len();
        page[end..end + cell.len()].copy_from_slice(cell);
        page[array + 2 * count..array + 2 * count + 2].copy_from_slice(&(end as u16).to_be_bytes());
    }
    page
}

/// A database with one table, whose rows are a number and these bytes.
pub(crate) fn made(size: usize, table: &str, blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut pages = vec![vec![0; size]];
    let mut leaves: Vec<(u32, u64)> = Vec::new();
    let mut cells: Vec<Vec<u8>> = Vec::new();
    let mut flush = |cells: &mut Vec<Vec<u8>>, pages: &mut Vec<Vec<u8>>, last: u64| {
        pages.push(page(LEAF, 0, cells, 0, size));
        leaves.push((pages.len() as u32, last));
        cells.clear();
    };
    for (count, blob) in blobs.iter().enumerate() {
        let new = cell(&record(&[Column::Null, Column::Blob(blob)]), count as u64 + 1, &mut pages, size);
        if 8 + cells.iter().map(|cell| cell.len() + 2).sum::<usize>() + new.len() + 2 > size {
            flush(&mut cells, &mut pages, count as u64);
        }
        cells.push(new);
    }
    flush(&mut cells, &mut pages, blobs.len() as u64);
    let root = match leaves.as_slice() {
        [(only, _)] => *only,
        [others @ .., (right, _)] => {
            let inner = others.iter().map(|(number, last)| {
                let mut cell = number.to_be_bytes().to_vec();
                put_varint(*last, &mut cell);
                cell
            });
            pages.push(page(INTERIOR, 0, &inner.collect::<Vec<_>>(), *right, size));
            pages.len() as u32
        }
        [] => 0,
    };
    let sql = format!("CREATE TABLE '{table}' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)");
    let columns = [
        Column::Text(b"table"),
        Column::Text(table.as_bytes()),
        Column::Text(table.as_bytes()),
        Column::Integer(i64::from(root)),
        Column::Text(sql.as_bytes()),
    ];
    let schema = cell(&record(&columns), 1, &mut pages, size);
    let mut first = page(LEAF, HEADER, &[schema], 0, size);
    first[..16].copy_from_slice(MAGIC);
    first[16..18].copy_from_slice(&(size as u16).to_be_bytes());
    first[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]);
    first[56..60].copy_from_slice(&1_u32.to_be_bytes());
    pages[0] = first;
    pages.concat()
}

fn blobs_of(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    rows(&bytes, "Packages", &mut |columns| {
        match columns {
            [Column::Null, Column::Blob(blob)] => found.push(blob.to_vec()),
            other => panic!("{other:?}"),
        }
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn rows_of_every_length_are_read_in_their_order() {
    for size in [512, 4096] {
        let blobs: Vec<Vec<u8>> = (0..200).map(|count: usize| vec![count as u8; count * count % 7001]).collect();
        assert_eq!(blobs_of(&made(size, "Packages", &blobs[..60])).unwrap(), blobs[..60]);
        assert_eq!(blobs_of(&made(size, "Packages", &blobs[..1])).unwrap(), blobs[..1]);
        assert!(
            blobs_of(&made(4096, "Name", &blobs[..1])).unwrap_err().to_string().contains("table Packages is missing")
        );
    }
}

#[test]
fn what_is_broken_is_an_error_and_never_a_loop() {
    let whole = made(512, "Packages", &(0..8).map(|count| vec![count; 700]).collect::<Vec<_>>());
    assert_eq!(blobs_of(&whole).unwrap().len(), 8);
    for length in [0, 50, 99, 100, 511, 512, 1024, whole.len() - 512] {
        blobs_of(&whole[..length]).unwrap_err();
    }
    // Every byte of the structures in turn: whatever it becomes, there is an end.
    for at in 0..whole.len() {
        let mut other = whole.clone();
        for value in [0, 1, 0xff, other[at] ^ 0x10] {
            other[at] = value;
            let mut count = 0;
            let _ = rows(&other.as_slice(), "Packages", &mut |_| {
                count += 1;
                assert!(count < 1000);
                Ok(())
            });
        }
    }
    let mut text = whole.clone();
    text[59] = 2;
    assert!(blobs_of(&text).unwrap_err().to_string().contains("UTF-8"));
    assert!(blobs_of(b"SQLite format 2\0").is_err());
}

#[test]
fn cells_that_are_one_are_no_end_of_rows() {
    let mut whole = made(4096, "Packages", &[vec![7; 3000]]);
    let page = whole.len() - 4096;
    let at = whole[page + 8..page + 10].to_vec();
    whole[page + 3..page + 5].copy_from_slice(&400_u16.to_be_bytes());
    for cell in 0..400 {
        whole[page + 8 + 2 * cell..page + 10 + 2 * cell].copy_from_slice(&at);
    }
    assert!(blobs_of(&whole).unwrap_err().to_string().contains("overlap"));
}

#[test]
fn numbers_are_read_as_sqlite_writes_them() {
    for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX)] {
        let mut bytes = Vec::new();
        put_varint(value, &mut bytes);
        assert_eq!(varint(&mut bytes.as_slice()).unwrap(), value);
    }
    assert_eq!(varint(&mut &[0xff; 9][..]).unwrap(), u64::MAX);
    assert_eq!((integer(&[0xff]), integer(&[0x7f, 0xff]), integer(&[])), (-1, 32767, 0));
}
