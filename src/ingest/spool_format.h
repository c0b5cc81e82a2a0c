// How records lie in a spool's segment files (docs/EVENTS.md).
//
//   <spool>/identity                 32 hex digits, made with the spool
//   <spool>/<base, 16 hex>.spool     records one after the other; base: the position of the file's first byte
//   record                           magic "TMR1", length, CRC-32C, payload; numbers little-endian
//
// A position is the number of bytes ever written before it, across all segments. The checksum covers the
// spool's identity, the record's position, its length and the payload: bytes from another place, or a record
// somebody put into a payload, are no record here. So after damage the next record can be searched for.
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidemark::ingest {

constexpr size_t spool_header_bytes = 12;

// The record as it is written at `position`.
void append_spool_record(std::string& out, std::string_view identity, uint64_t position,
                         std::string_view payload);

// The length of the whole record at the beginning of `bytes`, which lie at `position`; nothing: there is no
// whole and sound record.
std::optional<size_t> spool_record_at(std::string_view bytes, std::string_view identity, uint64_t position);

// How far behind the beginning of `bytes` the next sound record begins; nothing: there is none.
std::optional<size_t> next_spool_record(std::string_view bytes, std::string_view identity, uint64_t position);

}  // namespace tidemark::ingest
