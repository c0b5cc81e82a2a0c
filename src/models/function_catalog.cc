#include "models/function_catalog.h"

#include <algorithm>
#include <cctype>

namespace tidemark::models {
namespace {

// Older servers have no column `deterministic`; these are the ones people write.
constexpr const char* known_changing[] = {"now",
                                          "now64",
                                          "today",
                                          "yesterday",
                                          "rand",
                                          "rand32",
                                          "rand64",
                                          "randconstant",
                                          "current_date",
                                          "generateuuidv4",
                                          "generateuuidv7",
                                          "rownumberinblock",
                                          "hostname",
                                          "rownumberinallblocks",
                                          "currentuser",
                                          "runningdifference",
                                          "neighbor",
                                          "dictget",
                                          "dictgetordefault",
                                          "joinget",
                                          "utctimestamp",
                                          "current_timestamp",
                                          "randuniform",
                                          "blocknumber"};

constexpr const char* combinators[] = {"if",          "array",      "distinct", "ordefault", "ornull",
                                       "state",       "merge",      "map",      "foreach",   "resample",
                                       "simplestate", "mergestate", "argmin",   "argmax"};

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

Result<FunctionCatalog> FunctionCatalog::load(clickhouse::Client& client) {
  FunctionCatalog catalog;
  Block deterministic =
      TRY(client.query("SELECT toUInt8(count()) FROM system.columns WHERE database = 'system' AND table = "
                       "'functions' AND name = "
                       "'deterministic'"));
  bool knows = deterministic.rows() == 1 && deterministic.columns[0].get<uint8_t>(0) == 1;
  // The server writes down every function with its documents for this, so it is asked once.
  Block block = TRY(client.query(
      fmt::format("SELECT name, toUInt8(is_aggregate) FROM system.functions WHERE is_aggregate{}",
                  knows ? " OR deterministic = 0" : "")));
  for (size_t row = 0; row < block.rows(); ++row) {
    bool aggregate = block.columns[1].get<uint8_t>(row) == 1;
    (aggregate ? catalog.aggregates_ : catalog.changing_).insert(lower_case(block.columns[0].text(row)));
  }
  for (const char* name : known_changing) catalog.changing_.insert(name);
  return catalog;
}

bool FunctionCatalog::aggregate(std::string_view name) const {
  std::string lower = lower_case(name);
  for (;;) {
    if (aggregates_.contains(lower)) return true;
    bool stripped = false;
    for (std::string_view combinator : combinators) {
      if (lower.size() > combinator.size() && lower.ends_with(combinator)) {
        lower = lower.substr(0, lower.size() - combinator.size());
        stripped = true;
        break;
      }
    }
    if (!stripped) return false;
  }
}

bool FunctionCatalog::changes_by_itself(std::string_view name) const {
  return changing_.contains(lower_case(name));
}

bool FunctionCatalog::known_to_change(std::string_view name) {
  std::string lower = lower_case(name);
  for (std::string_view beginning : {"now", "today", "rand", "generate", "dict", "joinget", "fuzz"})
    if (lower.starts_with(beginning)) return true;
  return std::find(std::begin(known_changing), std::end(known_changing), lower) != std::end(known_changing) ||
         lower == "curdate" || lower == "sleep" || lower == "sleepeachrow" || lower == "uptime";
}

}  // namespace tidemark::models
