// What ClickHouse says about its functions: which add rows up and which give another answer each time. Asked
// of the server once per compilation, so that the compiler knows what the running version knows.
#pragma once

#include "clickhouse/client.h"

#include <set>
#include <string>
#include <string_view>

namespace tidemark::models {

class FunctionCatalog {
 public:
  static Result<FunctionCatalog> load(clickhouse::Client& client);

  // Also with combinators (sumIf, uniqState, ...).
  bool aggregate(std::string_view name) const;
  // now(), rand(), dictGet(), ...
  bool changes_by_itself(std::string_view name) const;
  // The same without a server: those that people write, and all that are named alike.
  static bool known_to_change(std::string_view name);

 private:
  std::set<std::string, std::less<>> aggregates_, changing_;  // lower case
};

std::string lower_case(std::string_view text);

}  // namespace tidemark::models
