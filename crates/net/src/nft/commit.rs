//! Frames commands as one nfnetlink batch and names the refused one.

use nix::sys::socket::SockProtocol;

use super::wire::{Buffer, NLM_F_REQUEST, transact};
use super::{BATCH_BEGIN, BATCH_END, NftError, SUBSYSTEM};

pub(super) fn commit(commands: &Buffer, names: &[String]) -> Result<(), NftError> {
    let last = u32::try_from(names.len()).expect("a batch has few commands");
    // struct nfgenmsg { family, version, res_id = the subsystem, in network order }
    let [high, low] = SUBSYSTEM.to_be_bytes();
    let fixed = [0, 0, high, low];
    let mut batch = Buffer::default();
    batch.message(BATCH_BEGIN, NLM_F_REQUEST, 0, &fixed, |_| {});
    batch.append(commands);
    batch.message(BATCH_END, NLM_F_REQUEST, last + 1, &fixed, |_| {});
    match transact(SockProtocol::NetlinkNetFilter, &batch, last)? {
        None => Ok(()),
        Some((sequence, source)) => {
            let index = (sequence as usize).checked_sub(1);
            let command = index
                .and_then(|i| names.get(i))
                .map_or("commit the batch", String::as_str);
            Err(NftError::Refused {
                command: command.into(),
                source,
            })
        }
    }
}
