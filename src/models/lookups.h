// Look-ups: dictionaries (dictionaries/*.yaml) and live tables (`live:` of a source), made in the warehouse
// before models are compiled, because models name them.
//
//   geo.countries   DICTIONARY over bronze.<table>__current or a model: in memory, reloaded after every cut
//   that
//                   touched what it is over and before that cut's fence, so whoever reads at the fence looks
//                   up what was true at the fence
//   geo.rates       DICTIONARY over a Postgres table: as old as its lifetime, no fence
//   live.<table>    ENGINE = PostgreSQL: read from the source by each query, no fence
//
// What is live is no part of the promise: plan and status say so, and verify leaves out what reads it.
//
// Everything here holds nothing of its own, so it is simply replaced whenever a project starts. Passwords
// live in named collections (tidemark_warehouse, tidemark_source_<name>), which no statement and no system
// table shows to the reader. The comment of each object says what it is; that is how compile() knows it.
#pragma once

#include "clickhouse/client.h"
#include "config/diagnostic.h"
#include "config/model_file.h"

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace tidemark::config {
struct Project;
}

namespace tidemark::models {

// As the warehouse has them.
struct Lookups {
  std::map<std::string, std::string> dictionaries;  // "geo.countries" -> "bronze.x" or a model; empty: live
  std::set<std::string> live_tables;                // "live.x"

  static Result<Lookups> load(clickhouse::Client& client);
};

enum class LookupChanges {
  all,      // replaced, and those that left the project dropped
  missing,  // only what is not there: plan, which must not change what others use
};

// Diagnostics are mistakes in the files: unknown columns and tables. Errors: the servers'.
Result<std::vector<config::Diagnostic>> prepare_lookups(clickhouse::Client& client,
                                                        const config::Project& project,
                                                        LookupChanges changes);

struct CompiledModels;

// Keeps dictionaries equal to what they are over. Thread-safe.
class DictionaryReloads {
 public:
  struct Dictionary {
    std::string name;              // "geo.countries"
    std::set<std::string> tables;  // "bronze.x", in depth, without those behind a refresh model
    std::set<std::string> refresh_models;
  };
  void replace(std::vector<Dictionary> dictionaries);
  // Would reload() do anything for these?
  bool any_over(const std::vector<std::string>& tables) const;
  // Rows of these tables ("bronze.x") are in. A dictionary that cannot be reloaded keeps what it had, is
  // tried again at the next call for anything, and is named by failing().
  void reload(clickhouse::Client& client, const std::vector<std::string>& tables);
  void reload_over(clickhouse::Client& client, const std::string& refresh_model);
  std::map<std::string, std::string> failing() const;  // name -> error

 private:
  void reload_where(clickhouse::Client& client, const std::function<bool(const Dictionary&)>& touched);

  mutable std::mutex mutex_;
  std::vector<Dictionary> dictionaries_;
  std::map<std::string, std::string> failing_;
};

// Those of the project that are not live, with what they depend on.
std::vector<DictionaryReloads::Dictionary> dictionaries_of(const config::Project& project,
                                                           const CompiledModels& models);

struct DictionaryParity {
  std::string dictionary;
  uint64_t rows = 0, different = 0;
};
// The dictionary's rows against those of what it is over, by value. Not for live ones.
Result<DictionaryParity> verify_dictionary(clickhouse::Client& client,
                                           const config::DictionaryFile& dictionary);

}  // namespace tidemark::models
