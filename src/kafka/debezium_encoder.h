// Change rows of a captured table as messages, in the shapes of Debezium's Postgres connector
// (debezium_value.h has the settings and the deviations of values; docs/KAFKA_OUT.md those of messages).
//
// Rows come as blocks whose columns 0 .. n-1 are all text, as text_table() asks for: what Postgres prints
// loses nothing and, unlike the warehouse's types, refuses nothing.
//
// Threads: immutable once made.
#pragma once

#include "base/column.h"
#include "kafka/debezium_value.h"

#include <span>
#include <vector>

namespace tidemark::kafka {

// The same table with every column read as text.
postgres::SourceTable text_table(postgres::SourceTable table);

struct EncoderOptions {
  std::string prefix;    // topic.prefix
  std::string database;  // of the source
  bool schema = false;   // {"schema":..., "payload":...} as JsonConverter with schemas.enable=true
};

// Where a change comes from.
struct ChangeOrigin {
  bool snapshot = false;
  uint64_t lsn = 0;           // of the change itself; of the snapshot
  uint64_t commit_lsn = 0;    // of its transaction
  uint64_t previous_lsn = 0;  // of the commit before it; 0: not known
  uint32_t transaction = 0;   // 0: not known (snapshot)
  int64_t committed_at = 0;   // microseconds
  int64_t now = 0;            // microseconds
  // Place in the transaction, from 1; 0: without a transaction block.
  uint64_t total_order = 0;
  uint64_t collection_order = 0;
};

class DebeziumEncoder {
 public:
  DebeziumEncoder(const postgres::SourceTable& table, EncoderOptions options);

  const std::string& topic() const { return topic_; }            // "<prefix>.<schema>.<table>"
  const std::string& collection() const { return collection_; }  // "<schema>.<table>"
  bool keyed() const { return !key_.empty(); }

  struct Row {
    const Block* block = nullptr;  // nothing: null
    size_t row = 0;
    bool key_only = false;  // nothing is known of all other columns
    // Columns whose value is not known.
    std::span<const uint32_t> unchanged = {};
  };

  // Each appends to `out`.
  void key(const Block& block, size_t row, std::string& out) const;
  // In the headers of a key change it never carries its schema.
  void header_key(const Block& block, size_t row, std::string& out) const;
  void envelope(char operation, const Row& before, const Row& after, const ChangeOrigin& origin,
                std::string& out) const;

 private:
  void row(const Row& row, std::string& out) const;

  EncoderOptions options_;
  std::string topic_;
  std::string collection_;
  std::vector<size_t> key_;         // in key order
  std::vector<std::string> names_;  // "\"id\":"
  std::vector<ValuePlan> plans_;
  std::vector<bool> in_key_;
  std::string key_head_, key_tail_, value_head_, value_tail_;
  std::string source_head_, source_names_;
};

// "BEGIN" and "END" of the transaction topic.
struct TransactionCounts {
  uint64_t events = 0;
  std::vector<std::pair<std::string, uint64_t>> collections;
};
std::string transaction_id(uint32_t transaction, uint64_t lsn);
std::string transaction_key(const std::string& id, bool schema);
// Without counts: BEGIN.
std::string transaction_marker(const std::string& id, const TransactionCounts* counts, int64_t committed_at,
                               bool schema);

}  // namespace tidemark::kafka
