// The total order of changes: UInt128 = epoch (16 bits) | commit LSN (64) | ordinal in the transaction (48).
// Never wall clock. The epoch grows when the source's identity changes (system id, timeline, slot), so that
// nothing from an older life can win over the present one. One change takes two ordinals: 2n for the old
// image (or delete), 2n+1 for the new image, so that a tombstone and a row written by one change never tie.
// Rows of the initial copy: the copy's LSN, ordinal 0.
#pragma once

#include <cstdint>

namespace tidemark {

using Version = unsigned __int128;

constexpr uint64_t ordinal_max = (uint64_t{1} << 48) - 1;

constexpr Version make_version(uint16_t epoch, uint64_t lsn, uint64_t ordinal) {
  return (static_cast<Version>(epoch) << 112) | (static_cast<Version>(lsn) << 48) | (ordinal & ordinal_max);
}
constexpr uint16_t version_epoch(Version version) {
  return static_cast<uint16_t>(version >> 112);
}
constexpr uint64_t version_lsn(Version version) {
  return static_cast<uint64_t>(version >> 48);
}
constexpr uint64_t version_ordinal(Version version) {
  return static_cast<uint64_t>(version) & ordinal_max;
}

}  // namespace tidemark
