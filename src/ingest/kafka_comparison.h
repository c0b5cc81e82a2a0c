// What the changes of a table's topics come to, compared with the table, inside the warehouse and by value.
//
// Expected. The changes in the scratch table (kafka_replay.h) are folded by key: the newest version counts. A
// column that a message left out has the value of the newest earlier message of its key that has it; after a
// key change, of the old key. A row of which a value cannot be found is `unsure`: the pipeline had nothing to
// fill it from either, or the message that had it is not kept. Logs are folded by version, which tells their
// rows apart.
//
// Compared. Both sides become a count and a sum of 128-bit hashes for each of limits::parity_buckets buckets
// of keys; buckets that differ are joined by key, some of them at a time. So memory does not grow with the
// table, and only differences are written down.
//
// While writes go on. Of a table with a key, rows newer than the fence hide those that are compared. Keys
// that differ and have such a row are `moving`: the row is copied, the topics are replayed up to their ends,
// and it must be what the changes came to at its own version, and no older than what was fenced. Logs hide
// nothing: rows behind the fence are compared apart.
//
//   resolve -> compare(stage) -> { replay more -> resolve -> judge } -> report
#pragma once

#include "ingest/kafka_replay.h"
#include "ingest/parity.h"

namespace tidemark::ingest {

// What the brokers do not have any more of a table's messages: rows of the warehouse that only they could
// explain are not judged.
struct KafkaKept {
  bool by_offset = false;            // versions are places in partitions
  std::map<int32_t, int64_t> first;  // by offset: of trimmed partitions
  std::optional<Version> since;      // otherwise: rows before it may be of messages that are gone
  std::set<int32_t> holes;           // partitions with offsets without a message
  bool whole() const { return first.empty() && !since && holes.empty(); }
};

class KafkaComparison {
 public:
  // `cuts`: of the fence, by slot.
  KafkaComparison(KafkaScratch& scratch, size_t number, const CapturedTable& table, KafkaKept kept,
                  std::vector<uint64_t> cuts);

  // Values that a key change left out. `left_out`: columns that any message left out.
  Status resolve(const std::set<size_t>& left_out);
  // With the changes of the stages up to `stage`, which are those up to the fence.
  Status compare(uint8_t stage, std::vector<KafkaReplay::Truncate> truncates);
  bool anything_moves() const { return moving_ > 0; }
  // With all changes read since. `truncates`: all of them.
  Status judge(std::vector<KafkaReplay::Truncate> truncates);
  Result<TableParity> report();

 private:
  struct Bucket {
    uint64_t rows = 0;
    Version sum = 0;
  };

  std::vector<std::string> keys() const;
  std::string key_list() const;
  std::string bronze_key() const;
  std::string same_key(const std::string& left, const std::string& right) const;
  std::string key_text() const;
  std::string hash() const;
  std::string hashable(size_t index, const std::string& text) const;
  std::string value(size_t index) const;
  std::string fold_columns(const std::string& upto) const;
  std::string not_sure() const;
  std::string beginning() const;
  std::string folded() const;
  std::string folded_as_of_copy() const;
  std::string expected(const std::string& filter = "1") const;
  std::string actual(const std::string& filter = "1") const;
  std::string fenced() const;
  std::string bronze_rows(const std::string& filter) const;
  std::string older(const std::string& version) const;
  std::string found(int judged) const;
  Result<std::vector<Bucket>> sums(const std::string& rows);
  Status differences(const std::vector<size_t>& buckets);
  Status copy_moving();
  Status judge_log();
  Result<std::vector<std::string>> named_columns(int judged);

  KafkaScratch& scratch_;
  const size_t number_;
  const CapturedTable& table_;
  const KafkaKept kept_;
  const std::vector<uint64_t> cuts_;
  const size_t columns_;
  std::set<size_t> left_out_;
  std::vector<KafkaReplay::Truncate> truncates_;
  uint8_t stage_ = 0;
  uint64_t rows_ = 0;
  uint64_t moving_ = 0;
};

}  // namespace tidemark::ingest
