// For property tests: one seed from beginning to end. Random models over random tables, deployed before,
// after and in the middle of a random stream with kills; at quiet points every model must equal
//   its recompute, as `tidemark verify` says (verification.h), and
//   the SQL its author wrote, run by a server that knows nothing of change rows over the true rows.
// The second does not use what the compiler made, so a mistake in `recompute` shows as well.
#pragma once

#include "base/clock.h"
#include "clickhouse/client_pool.h"
#include "config/project.h"
#include "models/compiler.h"
#include "models/lookups.h"
#include "models/plan.h"
#include "models/query_settings.h"
#include "models/random_constructs.h"
#include "models/random_model.h"
#include "models/random_stream.h"
#include "models/refresh_run.h"
#include "models/runtime.h"
#include "models/verification.h"

#include <memory>
#include <set>

namespace tidemark::models {

struct PropertyOptions {
  uint64_t seed = 0;
  size_t models = 20;
  size_t cuts = 30;
  std::set<std::string> only;     // empty: all models
  std::set<std::string> without;  // models to leave out, with all that read them
  bool check_every_cut = false;   // to find the first bad cut
};

struct PropertyFailure {
  std::string model;  // empty: the run itself failed
  std::string what;
  uint64_t cut = 0;
};

struct PropertyCounts {
  uint64_t written = 0, compiled = 0, refused = 0, left_out = 0, cuts = 0, kills = 0, checks = 0, rows = 0;
  std::map<std::string, uint64_t> refusals;      // by the first words of the message
  std::map<std::string, std::string> examples;   // of each, a model
  std::map<std::string, double> seconds;         // where the time of a run goes
  ConstructCounts constructs = no_constructs();  // of the models that were compiled and compared

  void add(const PropertyCounts& other) {
    written += other.written;
    compiled += other.compiled;
    refused += other.refused;
    left_out += other.left_out;
    cuts += other.cuts;
    kills += other.kills;
    checks += other.checks;
    rows += other.rows;
    for (const auto& [message, count] : other.refusals) refusals[message] += count;
    for (const auto& [message, example] : other.examples) examples.emplace(message, example);
    for (const auto& [phase, time] : other.seconds) seconds[phase] += time;
    for (const auto& [construct, count] : other.constructs) constructs[construct] += count;
  }
};

// Models that `file` names: each name ends where its digits end.
inline bool names(const config::ModelFile& file, const std::string& model) {
  for (size_t at = 0; (at = file.sql.find(model, at)) != std::string::npos; at += model.size())
    if (at + model.size() == file.sql.size() || std::isdigit(file.sql[at + model.size()]) == 0) return true;
  return false;
}

// Is `file` one of `models`, or does it read one, directly or not?
inline bool reads_any(const std::vector<config::ModelFile>& files, const config::ModelFile& file,
                      const std::set<std::string>& models) {
  if (models.contains(file.full_name())) return true;
  return std::any_of(files.begin(), files.end(), [&](const auto& other) {
    return &other != &file && names(file, other.full_name()) && reads_any(files, other, models);
  });
}

class PropertyRun {
 public:
  PropertyRun(clickhouse::Client& client, PropertyOptions options)
      : client_(client),
        options_(std::move(options)),
        source_(random_tables(), options_.seed),
        schedule_(options_.seed ^ 0x5c4ed01e),
        writer_(client, source_.tables(), options_.seed ^ 0xfa017),
        generator_(source_.tables(), options_.seed ^ 0x30de15, options_.seed % 4 == 0),
        pool_(client.endpoint(), 2) {}

  const PropertyCounts& counts() const { return counts_; }
  const CompiledModels& models() const { return models_; }
  const std::vector<config::ModelFile>& files() const { return files_; }

  std::optional<PropertyFailure> run() {
    Status done = play();
    if (!done && !failure_) {
      std::string what = done.error().describe(), named;
      if (what.starts_with("model ")) named = what.substr(6, what.find(':') - 6);
      failure_ = PropertyFailure{named, what, writer_.number()};
    }
    if (failure_) failure_->what += "\nin " + writer_.story();
    return failure_;
  }

 private:
  static constexpr const char* model_databases[] = {"silver", "analytics", "gold"};

  Status play() {
    TRY_VOID(reset());
    for (size_t index = 0; index < options_.models; ++index) all_files_.push_back(generator_.next());
    // Some models are there from the start, others come while the stream runs.
    size_t first = schedule_.one_in(2) ? options_.models : schedule_.below(options_.models);
    size_t copied_transactions = schedule_.below(40);
    bool deployed_before_copy = schedule_.one_in(2);
    uint64_t lsn = 1000;
    for (size_t index = 0; index < copied_transactions; ++index) lsn = source_.transaction(8).lsn;
    if (deployed_before_copy) TRY_VOID(deploy(first));
    TRY_VOID(writer_.copy(source_, lsn));
    std::vector<std::string> all;
    for (const auto& table : source_.tables()) all.push_back(table.name);
    if (deployed_before_copy) {
      TRY_VOID(runtime_->after_copy(client_, make_version(1, lsn, 0), all));
      reload_dictionaries(all);
    } else {
      TRY_VOID(deploy(first));
    }
    if (schedule_.one_in(3) || options_.check_every_cut) TRY_VOID(check(false));
    size_t second_deploy = schedule_.below(options_.cuts);
    for (size_t cut = 0; cut < options_.cuts && !failure_; ++cut) {
      if (cut == second_deploy && first < options_.models) TRY_VOID(deploy(options_.models));
      TRY_VOID(one_cut());
      bool quiet = schedule_.one_in(10) || cut + 1 == options_.cuts;
      if (quiet || options_.check_every_cut) TRY_VOID(check(cut + 1 == options_.cuts));
    }
    return {};
  }

  // Counts the time until its end as that of `phase`.
  auto timed(const char* phase) {
    struct Timer {
      double& sum;
      std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
      ~Timer() { sum += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(); }
    };
    return Timer{counts_.seconds[phase]};
  }

  Status reset() {
    auto timer = timed("tables");
    std::vector<std::string> databases{"oracle_geo", "geo", "bronze", "truth", "tidemark"};
    for (const char* name : model_databases) {
      databases.push_back(name);
      databases.push_back(std::string("oracle_") + name);
    }
    for (const auto& name : databases) TRY_VOID(client_.execute("DROP DATABASE IF EXISTS " + name + " SYNC"));
    for (const auto& name : databases)
      if (name != "tidemark") TRY_VOID(client_.execute("CREATE DATABASE " + name));
    for (const auto& table : source_.tables())
      for (const auto& statement : create_statements(table)) TRY_VOID(client_.execute(statement));
    if (generator_.has_dictionaries()) TRY_VOID(create_dictionaries());
    return {};
  }

  // geo.shops as a project has it, and the same over the true rows.
  Status create_dictionaries() {
    config::DictionaryFile file;
    file.database = "geo";
    file.name = "shops";
    file.over = "bronze.shops";
    file.key = {"shop"};
    project_.dictionaries = {file};
    auto mistakes = TRY(prepare_lookups(client_, project_, LookupChanges::all));
    if (!mistakes.empty()) return fail(ErrorKind::internal, mistakes.front().render());
    std::string made = TRY(client_.query_text("SHOW CREATE DICTIONARY geo.shops FORMAT TSVRaw"));
    for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
             {"geo.shops", "oracle_geo.shops"}, {"'bronze'", "'truth'"}, {"'shops__current'", "'shops'"}})
      made = replaced(made, from, to);
    return client_.execute(made.substr(0, made.find("COMMENT '")));
  }

  // What ingest does before the fence of a cut.
  void reload_dictionaries(const std::vector<std::string>& tables) {
    if (!generator_.has_dictionaries()) return;
    std::vector<std::string> names;
    for (const auto& table : tables) names.push_back("bronze." + table);
    dictionaries_.reload(client_, names);
  }

  bool wanted(const config::ModelFile& file) const {
    if (!options_.only.empty() && !options_.only.contains(file.full_name())) return false;
    return !reads_any(all_files_, file, options_.without);
  }

  // The first `count` models, as a start of the program would bring them.
  Status deploy(size_t count) {
    std::vector<config::ModelFile> files;
    for (size_t index = 0; index < count; ++index)
      if (wanted(all_files_[index])) files.push_back(all_files_[index]);
    auto compiling = std::make_optional(timed("compile"));
    Compilation compilation = TRY(compile(client_, files));
    compiling.reset();
    // What is refused takes those that read it with it; the others make the project.
    std::set<std::string> refused;
    for (const auto& error : compilation.errors) {
      if (error.where.line == 0)
        return fail(ErrorKind::internal, "a refusal without a place: " + error.render());
      std::string file = error.where.file.string();
      if (refused.insert(file).second) ++refusals_[file];
      last_refusal_[file] = error.message;
    }
    files_.clear();
    for (const auto& file : files)
      if (compilation.models.find(file.full_name()) != nullptr) files_.push_back(file);
    if (count == options_.models) {
      counts_.written = files.size();
      counts_.compiled = files_.size();
      counts_.refused = refused.size();
      counts_.left_out = files.size() - files_.size() - refused.size();
      for (const auto& [file, message] : last_refusal_) {
        ++counts_.refusals[kind_of(message)];
        for (const auto& one : files)
          if (one.file.string() == file) counts_.examples[kind_of(message)] = example_of(one, message);
      }
      for (const auto& file : files_) count_pieces(file);
    }
    models_ = std::move(compilation.models);
    dictionaries_.replace(dictionaries_of(project_, models_));
    auto timer = timed("apply");
    TRY_VOID(prepare(client_, models_));
    Plan after = TRY(compute_plan(client_, models_));
    if (!after.empty())
      return fail(ErrorKind::internal, "the plan after apply is not empty:\n" + after.to_text());
    runtime_ = std::make_unique<Runtime>(models_);
    return write_oracle();
  }

  void count_pieces(const config::ModelFile& file) {
    std::set<std::string> named = generator_.constructs().at(file.full_name());
    if (!compiled_refresh_models(file).empty()) named.insert("view: over a refresh model");
    count_constructs(counts_.constructs, file, named);
  }
  // Those that a view reads.
  std::vector<std::string> compiled_refresh_models(const config::ModelFile& file) const {
    std::vector<std::string> found;
    for (const auto& other : files_)
      if (file.kind == "view" && other.kind == "refresh" && names(file, other.full_name()))
        found.push_back(other.full_name());
    return found;
  }

  std::string example_of(const config::ModelFile& file, const std::string& message) const {
    std::string key;
    for (const auto& column : file.key) key += (key.empty() ? " key " : ", ") + column;
    return fmt::format("seed {}: {}\n-- {} {}{}\n{}\n", options_.seed, message, file.full_name(), file.kind,
                       key, file.sql);
  }

  // A refusal without its names.
  static std::string kind_of(const std::string& message) {
    std::string kind;
    bool quoted = false;
    for (char c : message.substr(0, message.find('\n'))) {
      if (c == '`' || c == '\'') quoted = !quoted;
      if (!quoted && !(c >= '0' && c <= '9')) kind += c;
    }
    return kind.substr(0, 110);
  }

  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
    return text;
  }

  // The models as plain views over the true rows, by nothing but other database names.
  Status write_oracle() {
    auto timer = timed("oracle");
    std::string types;
    for (const auto& model : models_.models) {
      std::string sql = replaced(model.file.sql, "bronze.", "truth.");
      for (const char* database : model_databases)
        sql = replaced(sql, std::string(database) + ".m", std::string("oracle_") + database + ".m");
      sql = replaced(sql, "'geo.", "'oracle_geo.");
      if (!model.file.ttl.empty())
        sql = fmt::format(
            "SELECT * FROM ({}) WHERE ifNull(toDateTime64({}, 0, 'UTC') > toStartOfHour(now('UTC')), true)",
            sql, model.file.ttl);
      TRY_VOID(client_.execute("CREATE OR REPLACE VIEW oracle_" + model.name + " AS " + sql));
    }
    Block different = TRY(client_.query(
        "SELECT database, table, name, groupArray(type) FROM (SELECT replaceOne(database, 'oracle_', '') AS "
        "database, "
        "table, name, type, position FROM system.columns WHERE database IN ('silver', 'analytics', 'gold', "
        "'oracle_silver', 'oracle_analytics', 'oracle_gold') AND NOT table LIKE '%\\\\_\\\\_%') GROUP BY "
        "database, "
        "table, name, position HAVING count() != 2 OR uniqExact(type) != 1"));
    if (different.rows() > 0)
      fail_model(fmt::format("{}.{}", different.columns[0].text(0), different.columns[1].text(0)),
                 fmt::format("column {} has another type, name or place than its author's SQL gives: {}",
                             different.columns[2].text(0), different.columns[3].text(0)));
    return {};
  }

  Status one_cut() {
    auto timer = timed("cuts, with keyed models");
    std::vector<RandomTransaction> transactions;
    uint64_t size = schedule_.pick(std::vector<uint64_t>{1, 1, 4, 4, 12, 40});
    for (uint64_t left = 1 + schedule_.below(5); left > 0; --left)
      transactions.push_back(source_.transaction(size));
    ++counts_.cuts;
    std::erase_if(transactions, [](const auto& transaction) { return transaction.changes.empty(); });
    if (transactions.empty()) return {};
    return writer_.write(
        transactions,
        [this](uint64_t cut, Version version, const std::vector<std::string>& tables) {
          auto timer = timed("keyed models");
          Status done = runtime_->after_cut(client_, cut, version, tables);
          if (done) reload_dictionaries(tables);
          return done;
        },
        [this] {
          ++counts_.kills;
          runtime_ = std::make_unique<Runtime>(models_);
        });
  }

  void fail_model(std::string model, std::string what) {
    if (!failure_) failure_ = PropertyFailure{std::move(model), std::move(what), writer_.number()};
  }

  std::string row_of(const CompiledModel& model) const {
    std::string names;
    for (const auto& column : model.columns)
      names += (names.empty() ? "" : ", ") + clickhouse::quote_identifier(column.name);
    return "toString(tuple(" + names + "))";
  }

  std::string both_sides(const CompiledModel& model, const std::string& value) const {
    return fmt::format(
        "SELECT {0} AS value, toInt64(1) AS side FROM oracle_{1} UNION ALL SELECT {0} AS value, toInt64(-1) "
        "AS side FROM {1}",
        value, model.name);
  }

  // Refresh models are as of their last run: now.
  Status refresh() {
    auto timer = timed("refresh models");
    std::atomic<bool> stop{false};
    for (const auto& model : models_.models) {
      if (model.kind != ModelKind::refresh) continue;
      TRY_VOID(prepare_refresh_facts(client_));
      RefreshRun run = TRY(run_refresh(pool_, model, {}, system_clock(), stop));
      if (!run.error.empty()) return fail(ErrorKind::internal, "model " + model.name + ": " + run.error);
    }
    return {};
  }

  // Every model against what its author wrote, and against its recompute.
  Status check(bool at_end) {
    auto timer = timed("check, with verify");
    TRY_VOID(load_truth(client_, source_));
    if (generator_.has_dictionaries()) TRY_VOID(client_.execute("SYSTEM RELOAD DICTIONARY oracle_geo.shops"));
    TRY_VOID(refresh());
    ++counts_.checks;
    std::string all;
    for (const auto& model : models_.models)
      all += fmt::format(
          "{}SELECT '{}' AS model, toUInt64(countIf(balance != 0)) AS different, toUInt64(countIf(rows > 0)) "
          "AS rows "
          "FROM (SELECT sum(side) AS balance, countIf(side < 0) AS rows FROM ({}) GROUP BY value)",
          all.empty() ? "" : " UNION ALL ", model.name,
          both_sides(model, "sipHash128(" + row_of(model) + ")"));
    if (all.empty()) return {};
    clickhouse::QueryOptions options;
    options.settings = model_query_settings();
    for (const char* limit : {"max_query_size", "max_ast_elements", "max_expanded_ast_elements"})
      options.settings[limit] = "10000000";
    options.settings["max_threads"] = "1";
    options.settings["analyzer_inline_views"] = "1";  // as readers have it
    auto answer = client_.query(all, options);
    if (!answer) {
      for (const auto& model : models_.models) {
        auto one = client_.query("SELECT count() FROM (" + both_sides(model, row_of(model)) + ")");
        if (!one) fail_model(model.name, "cannot be read: " + one.error().describe());
      }
      return failure_ ? Status() : tl::unexpected<Error>(answer.error());
    }
    for (size_t row = 0; row < answer->rows(); ++row) {
      counts_.rows += answer->columns[2].get<uint64_t>(row);
      if (answer->columns[1].get<uint64_t>(row) == 0) continue;
      const CompiledModel& model = *models_.find(std::string(answer->columns[0].text(row)));
      std::string rows =
          TRY(client_.query_text("SELECT if(sum(side) > 0, 'missing', 'extra') AS what, value FROM (" +
                                 both_sides(model, row_of(model)) +
                                 ") GROUP BY value HAVING sum(side) != 0 ORDER BY value LIMIT 12"));
      fail_model(model.name, "differs from its SQL over the true rows:\n" + rows);
      return {};
    }
    // verify costs more than all the rest; what it would miss shows above.
    if (!at_end && !options_.check_every_cut) return {};
    auto verifying = timed("verify");
    auto parities = verify_models(client_, models_);
    if (!parities) return fail(parities.error());
    for (const auto& parity : *parities) {
      if (parity.different == 0) continue;
      std::string text = "verify finds differences where there are none:";
      for (const auto& example : parity.examples) text += "\n" + example;
      fail_model(parity.model, text);
      return {};
    }
    return {};
  }

  clickhouse::Client& client_;
  PropertyOptions options_;
  RandomSource source_;
  Random schedule_;
  CutWriter writer_;
  ModelGenerator generator_;
  clickhouse::ClientPool pool_;
  config::Project project_;  // its dictionaries
  DictionaryReloads dictionaries_;
  std::vector<config::ModelFile> all_files_, files_;
  CompiledModels models_;
  std::unique_ptr<Runtime> runtime_;
  std::map<std::string, int> refusals_;
  std::map<std::string, std::string> last_refusal_;
  PropertyCounts counts_;
  std::optional<PropertyFailure> failure_;
};

}  // namespace tidemark::models
