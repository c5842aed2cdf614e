//! The console of a Windows process.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::windows::io::AsRawHandle;
use windows_sys::Win32::System::Console::{
    CONSOLE_MODE, FlushConsoleInputBuffer, GetConsoleMode, GetConsoleWindow, ReadConsoleW, SetConsoleMode,
};
use zeroize::{Zeroize, Zeroizing};

/// Asks on the console itself, without echo, whatever stdin and stdout are. The console's mode is restored on every way
/// out. Ctrl-C gives an error of the kind `Interrupted`.
pub(crate) fn prompt_secret(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let (input, mut output) = console()?;
    let restore = Quiet::new(&input)?;
    drop_rest(&input);
    output.write_all(question.as_bytes())?;
    let typed = read_typed(&input);
    drop_rest(&input);
    drop(restore);
    output.write_all(b"\r\n")?;
    typed
}

// Drops what was typed or pasted and not read: a question takes one line.
fn drop_rest(input: &File) {
    // SAFETY: the handle is open for the call.
    unsafe { FlushConsoleInputBuffer(input.as_raw_handle()) };
}

fn console() -> io::Result<(File, File)> {
    // Reading needs the right to read, and changing the mode the right to write.
    let input = OpenOptions::new().read(true).write(true).open("CONIN$")?;
    Ok((input, OpenOptions::new().write(true).open("CONOUT$")?))
}

struct Quiet<'a> {
    console: &'a File,
    before: CONSOLE_MODE,
}

impl<'a> Quiet<'a> {
    fn new(console: &'a File) -> io::Result<Self> {
        let mut before = 0;
        // SAFETY: the handle is open for the call, and the mode is ours to be written.
        if unsafe { GetConsoleMode(console.as_raw_handle(), &mut before) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // No echo, no line editing, and Ctrl-C as a character. As a signal it would end this process with the echo off.
        // If it were handled, the console would return half a key as if it were a whole one.
        // SAFETY: the handle is open for the call.
        if unsafe { SetConsoleMode(console.as_raw_handle(), 0) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { console, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing better can be done when the console is gone.
        // SAFETY: the handle is borrowed, so it is still open.
        unsafe { SetConsoleMode(self.console.as_raw_handle(), self.before) };
    }
}

fn read_typed(console: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    const LONGEST: usize = 16 * 1024;
    // Room for everything from the start: growing would leave an unwiped copy behind.
    let mut typed = Zeroizing::new(Vec::<u16>::with_capacity(LONGEST));
    loop {
        match read_unit(console)? {
            0x0d | 0x0a => return to_utf8(&typed),
            0x03 => return Err(io::ErrorKind::Interrupted.into()),
            0x04 | 0x1a if typed.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0x04 | 0x1a => return to_utf8(&typed),
            0x7f | 0x08 => {
                if typed.pop().is_some_and(|unit| (0xdc00..0xe000).contains(&unit)) {
                    typed.pop();
                }
            }
            0x15 => typed.zeroize(),
            _ if typed.len() == LONGEST => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "more than 16384 characters were typed"));
            }
            unit => typed.push(unit),
        }
    }
}

fn read_unit(console: &File) -> io::Result<u16> {
    let mut unit = 0u16;
    let mut count = 0;
    // SAFETY: the buffer is one unit long, as the length says; no control structure is given.
    match unsafe { ReadConsoleW(console.as_raw_handle(), (&raw mut unit).cast(), 1, &mut count, std::ptr::null()) } {
        0 => Err(io::Error::last_os_error()),
        _ if count == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(unit),
    }
}

fn to_utf8(typed: &[u16]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(typed.len() * 3));
    let mut four = Zeroizing::new([0u8; 4]);
    for character in char::decode_utf16(typed.iter().copied()) {
        let character =
            character.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "half a character was typed"))?;
        bytes.extend_from_slice(character.encode_utf8(&mut four[..]).as_bytes());
    }
    Ok(bytes)
}

/// Reads one visible line from the console itself; `None` where there is no console or no answer.
pub(crate) fn ask_terminal(question: &str) -> Option<String> {
    let (input, mut output) = console().ok()?;
    drop_rest(&input);
    output.write_all(question.as_bytes()).ok()?;
    let mut line = String::new();
    let read = BufReader::new(input).read_line(&mut line).ok()?;
    // Ctrl-Z is no answer, and above all no empty one.
    (read > 0).then(|| line.trim().to_owned())
}

/// The console's name, to say a thing once per terminal: its window, which every tab of a terminal has for itself.
pub(crate) fn terminal_name() -> Option<OsString> {
    // SAFETY: no arguments; the handle that comes back is only used as a number.
    let window = unsafe { GetConsoleWindow() };
    (!window.is_null()).then(|| format!("console-{:x}", window.addr()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_becomes_utf8_and_half_a_character_is_refused() {
        assert_eq!(to_utf8(&[0x6b, 0x20ac, 0xd83d, 0xde00]).expect("whole characters").as_slice(), "k€😀".as_bytes());
        assert_eq!(to_utf8(&[0xd83d]).expect_err("half a pair").kind(), io::ErrorKind::InvalidData);
    }
}
