// The place of a message in the order of changes (base/version.h), without any clock.
//
// Debezium over Postgres sends the LSN of each change. For one row it grows from change to change: a
// transaction can only write a row after the one before has ended and let go of it. So the LSN alone orders
// the changes of a key, also when Debezium sends them again at new offsets after a crash - which is why
// neither the offset nor `sequence` (it is empty after a restart) takes part.
//
//   rows of a snapshot      carry the snapshot's LSN. A transaction that was open meanwhile may have written
//                           a row before that LSN and committed after it: its change comes after the
//                           snapshot's row in the topic, and must win. So a change is never placed before the
//                           snapshot it follows in its partition; among such changes their own LSN decides.
//   incremental snapshots   send rows without an LSN. Debezium puts them where no change is missed, so they
//                           are as of the newest change before them in the partition.
//   everything else         (other databases, plain messages) is ordered by the offset: the last one wins.
//
// What is remembered of a partition depends on nothing but the messages before, so reading them again gives
// the same versions. Pure; not thread-safe.
#pragma once

#include "base/version.h"
#include "kafka/message_decoder.h"

#include <algorithm>

namespace tidemark::ingest {

struct PartitionMarks {
  uint64_t snapshot = 0;  // LSN of the newest snapshot rows seen
  uint64_t newest = 0;    // LSN of the newest change seen; 0: none had one

  bool operator==(const PartitionMarks&) const = default;
};

// Is the LSN what orders the rows of the message? `marks`: of its partition, before it.
inline bool ordered_by_lsn(kafka::Format format, const kafka::Decoded& decoded, const PartitionMarks& marks) {
  if (format == kafka::Format::debezium) return true;
  return format == kafka::Format::flat &&
         (decoded.says_deleted || decoded.kind == kafka::Decoded::Kind::truncate ||
          (decoded.tombstone && marks.newest != 0));
}

// `row`: its place in the message; `partition` keeps rows of different partitions apart.
inline Version version_of(uint16_t epoch, const kafka::Decoded& decoded, bool by_lsn, int64_t offset,
                          int32_t partition, uint32_t row, PartitionMarks& marks) {
  constexpr uint64_t nearest = (uint64_t{1} << 47) - 1;
  uint64_t side = decoded.kind == kafka::Decoded::Kind::remove ? 0 : 1;
  if (by_lsn && decoded.lsn != 0) {
    if (decoded.snapshot) {
      marks.snapshot = std::max(marks.snapshot, decoded.lsn);
      marks.newest = std::max(marks.newest, decoded.lsn);
      return make_version(epoch, decoded.lsn, side);
    }
    uint64_t place = std::max(decoded.lsn, marks.snapshot);
    marks.newest = std::max(marks.newest, place);
    uint64_t behind = std::min(place - decoded.lsn, nearest - 1);
    return make_version(epoch, place, 2 * (nearest - behind) + side);
  }
  if (by_lsn && marks.newest != 0) return make_version(epoch, marks.newest, 2 * nearest + side);
  constexpr int row_bits = 20;  // kafka::limits::documents_max
  uint64_t within = (static_cast<uint64_t>(partition) << row_bits) | row;
  return make_version(epoch, static_cast<uint64_t>(offset) + 1, 2 * within + side);
}

}  // namespace tidemark::ingest
