// Tables of the warehouse that exist for one proof of Kafka tables (kafka_parity.h): every change that the
// topics hold, as it was said there, and what the comparison finds. They are in a database of their own,
// dropped at the end; what a killed run left behind is dropped by the next: it is known by host and process
// in the database's comment, and by its age.
//
// Columns have names of ours (`_column_0`), so that no column of a user's can be taken for one of ours.
// On a cluster all of it is on the initiator alone. One thread.
#pragma once

#include "clickhouse/client_pool.h"
#include "ingest/captured_table.h"

#include <memory>

namespace tidemark::ingest {

class KafkaScratch {
 public:
  // Errors: those of the warehouse.
  static Result<std::unique_ptr<KafkaScratch>> make(clickhouse::ClientPool& pool);
  ~KafkaScratch();
  KafkaScratch(const KafkaScratch&) = delete;
  KafkaScratch& operator=(const KafkaScratch&) = delete;

  // The tables that changes and differences of `table` go into; `number` names them.
  Status add(size_t number, const CapturedTable& table);
  Status insert(const std::string& table, const Block& block);
  // INSERT SELECT, TRUNCATE and so on, bounded in memory and time.
  Status execute(const std::string& sql);
  Result<Block> query(const std::string& sql);

  // Columns of the table, then _version, _deleted, _unchanged (",2,5,": numbers of columns that were left
  // out), _stage (which pass read it), _patch (1: not a message, but the value of one column of one).
  std::string changes(size_t number) const { return name("changes", number); }
  // Key columns, _version, _what, _rows; _judged: of a row that moved.
  std::string differences(size_t number) const { return name("differences", number); }
  // Columns of the table, then _version, _deleted: rows that are newer than what they were compared with.
  std::string moving(size_t number) const { return name("moving", number); }
  // Messages that could not be decoded: table, topic, partition, lsn, stage.
  std::string refused() const { return database_ + ".refused"; }

  static std::string column(size_t index) { return "_column_" + std::to_string(index); }
  // An empty block for changes().
  static Block changes_block(const CapturedTable& table);

 private:
  KafkaScratch(clickhouse::ClientPool& pool, std::string database)
      : pool_(pool), database_(std::move(database)) {}
  std::string name(const char* what, size_t number) const {
    return database_ + "." + what + "_" + std::to_string(number);
  }

  clickhouse::ClientPool& pool_;
  std::string database_;
};

}  // namespace tidemark::ingest
