//! Messages on streams of bytes: a length of four bytes in front of each, for peers that keep no
//! boundaries of their own.

const HEADER: usize = 4;

/// Appends a message with its length.
pub fn frame(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
}

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub struct Deframer {
    /// The beginning of a message that has not arrived whole, with its header.
    partial: Vec<u8>,
}

impl Deframer {
    /// Takes in what has arrived and tells each message that it completes.
    pub fn push(&mut self, mut data: &[u8], mut each: impl FnMut(&[u8])) {
        while !self.partial.is_empty() {
            let missing = match length(&self.partial) {
                Some(length) => HEADER + length - self.partial.len(),
                None => HEADER - self.partial.len(),
            };
            let (head, rest) = data.split_at(missing.min(data.len()));
            self.partial.extend_from_slice(head);
            data = rest;
            if length(&self.partial).is_some_and(|length| self.partial.len() == HEADER + length) {
                each(&self.partial[HEADER..]);
                self.partial.clear();
            } else if data.is_empty() {
                return;
            }
        }
        while let Some(length) = length(data)
            && let Some(message) = data.get(HEADER..HEADER + length)
        {
            each(message);
            data = &data[HEADER + length..];
        }
        self.partial.extend_from_slice(data);
    }
}

fn length(data: &[u8]) -> Option<usize> {
    let header = data.first_chunk::<HEADER>()?;
    Some(u32::from_be_bytes(*header) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_however_the_stream_is_cut() {
        let messages: [&[u8]; 4] = [b"a", b"", b"some more", &[7; 300]];
        let mut stream = Vec::new();
        for message in messages {
            frame(message, &mut stream);
        }
        for piece in 1..=stream.len() {
            let (mut deframer, mut got) = (Deframer::default(), Vec::new());
            for data in stream.chunks(piece) {
                deframer.push(data, |message| got.push(message.to_vec()));
            }
            assert_eq!(got, messages, "in pieces of {piece}");
        }
    }
}
