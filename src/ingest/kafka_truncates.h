// TRUNCATEs of a Kafka source with slots. The message of one is without a key and goes to one partition, so
// to one slot, while the rows it is about come through the partitions of all.
//
// Why following it slot by slot is exact. A change's version is its LSN, and the table is locked while it is
// emptied: rows with lower versions are gone, rows with higher ones stay, whatever partition they come
// through. All changes of a key come through one partition. So each slot empties what it wrote itself (rows
// know by `_cut` which slot that was), in a cut of its own between two of its cuts, and passes over older
// rows that come later; where in its stream that cut lies makes no difference to what is there in the end.
//
// The slot that has the message writes the version into its places (kafka_places.h), which are fenced with
// its cut and never forgotten; every process reads the fences of all slots (KafkaSlotsPipeline::watch) and
// tells its readers through this object. Thread-safe.
#pragma once

#include "base/version.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace tidemark::ingest {

class KafkaTruncates {
 public:
  struct Truncate {
    Version version = 0;
    int64_t committed_at = 0;  // not before it was
  };

  void saw(const std::string& table, const Truncate& truncate) {
    std::lock_guard lock(mutex_);
    Truncate& known = newest_[table];
    if (truncate.version > known.version) known = truncate;
  }
  // By the table's name in bronze.
  std::map<std::string, Truncate> newest() const {
    std::lock_guard lock(mutex_);
    return newest_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Truncate> newest_;
};

}  // namespace tidemark::ingest
