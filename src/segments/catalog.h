// What the warehouse has, as far as definitions ask: the columns of a table, its key, and how to read its
// present rows. Answers are kept, so make a new one for each compilation. One thread.
#pragma once

#include "clickhouse/client.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::segments {

struct TableShape {
  std::string name;  // as asked for: database.table
  std::string read;  // quoted, for FROM: the view of present rows of a mirrored table, else the table
  bool exists = false;
  std::vector<std::string> columns;          // in table order; without those that ingest adds
  std::map<std::string, std::string> types;  // by column, as ClickHouse prints them
  std::vector<std::string> key;              // of plain columns: the sorting key, or that of a keyed model
  std::string changes;                       // quoted: the change rows, when they are kept; else empty

  const std::string* type(const std::string& column) const {
    auto found = types.find(column);
    return found == types.end() ? nullptr : &found->second;
  }
};

class Catalog {
 public:
  explicit Catalog(clickhouse::Client& client) : client_(client) {}

  // `exists` is false when there is no such table. Errors: those of the server.
  Result<TableShape> table(const std::string& name);
  // Tables of a mirrored or event kind, for messages: "bronze.orders".
  Result<std::vector<std::string>> names();
  clickhouse::Client& client() { return client_; }

 private:
  Result<std::string> key_of_model(const std::string& name);

  clickhouse::Client& client_;
  std::map<std::string, TableShape> tables_;
};

}  // namespace tidemark::segments
