// Bounds of loading files, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// Read at a time, packed and unpacked.
constexpr size_t load_read_bytes = 1 << 20;
// One record: what the data plane takes as one row elsewhere, too (spool_record_bytes_max).
constexpr size_t load_record_bytes_max = 16 << 20;
// A document of JSON that is not a line each is held whole, twice.
constexpr size_t load_document_bytes_max = 256 << 20;
// Records of an INSERT, and bytes: what a kill costs to do again.
constexpr size_t load_block_records = 50'000;
constexpr size_t load_block_bytes = 16 << 20;
// Kept of a refused record in quarantine.
constexpr size_t load_quarantine_bytes_max = 64 << 10;

}  // namespace tidemark::limits
