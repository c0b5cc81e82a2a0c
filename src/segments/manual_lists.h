// Lists of entities that are kept by hand (`list: vip`), in one table of ours. An entity is named by its key:
// the text of the key's column, or for several columns a JSON list of their texts.
//
// append() and remove() may be repeated; the newest statement about a key counts. replace() makes the list
// what it is given, in one INSERT, so that no reader sees it half.
#pragma once

#include "clickhouse/client.h"

#include <string>
#include <vector>

namespace tidemark::segments {

inline constexpr const char* manual_list_table = "tidemark.segment_lists";

// The keys that are in the list; `list`: an SQL expression.
std::string manual_list_query(const std::string& list);

class ManualLists {
 public:
  explicit ManualLists(clickhouse::Client& client) : client_(client) {}

  // Once, before segments are compiled: a query that was made without the table finds every list empty.
  // Errors: those of the server, here and below.
  Status create();
  Status append(const std::string& list, const std::vector<std::string>& keys);
  Status remove(const std::string& list, const std::vector<std::string>& keys);
  Status replace(const std::string& list, const std::vector<std::string>& keys);
  Status clear(const std::string& list) { return replace(list, {}); }
  Result<std::vector<std::string>> keys(const std::string& list);

 private:
  Status write(const std::string& list, const std::vector<std::string>& keys, bool removed);

  clickhouse::Client& client_;
};

// The keys in a text with one key a line, or CSV with the key in the first column: quotes are taken off, an
// empty line is passed over. `columns`: of the key; several become the JSON list. `header`: the first line is
// none of them.
Result<std::vector<std::string>> keys_of_csv(std::string_view text, size_t columns, bool header);

}  // namespace tidemark::segments
