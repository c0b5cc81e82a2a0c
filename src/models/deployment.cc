#include "models/deployment.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/cluster.h"
#include "models/audits.h"
#include "models/generation.h"
#include "models/model_source.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_table;

clickhouse::QueryOptions long_statement() {
  clickhouse::QueryOptions options;
  options.settings = {{"max_execution_time", "0"}};
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  return options;
}

std::string new_id() {
  return fmt::format("{:x}", system_clock().wall_micros());
}

bool feeds(const std::string& statement) {
  return statement.starts_with("CREATE MATERIALIZED VIEW");
}

// On a cluster: what lies on the shards, and what Tidemark itself inserts into through them.
clickhouse::Placement placement(const CompiledModel& model) {
  if (model.form == StoreForm::result) return clickhouse::Placement::initiator;
  return model.form == StoreForm::keyed ? clickhouse::Placement::by_key : clickhouse::Placement::automatic;
}

bool unfinished(const ModelRecord& record) {
  return record.state == "preparing" || record.state == "building" || record.state == "joining";
}

std::string public_view(const std::string& model) {
  size_t dot = model.find('.');
  return quote_table(model.substr(0, dot), model.substr(dot + 1));
}

// The server's own name of each of `quoted`, with its engine; those that do not exist are left out.
Result<std::map<std::string, std::string>> engines_of(clickhouse::Client& client,
                                                      const std::vector<std::string>& quoted) {
  std::vector<std::string> names;
  for (const auto& name : quoted) {
    auto tokens = TRY(tokenize(name));
    if (tokens.size() == 3) names.push_back(tokens[0].name + "." + tokens[2].name);
  }
  Block block =
      TRY(client.query("SELECT database, name, engine FROM " + clickhouse::system_table(client, "tables") +
                           " WHERE concat(database, '.', name) IN {names:Array(String)}",
                       {.raw_parameters = {{"names", clickhouse::array_parameter(names)}}}));
  std::map<std::string, std::string> engines;
  for (size_t row = 0; row < block.rows(); ++row)
    engines[quote_table(block.columns[0].text(row), block.columns[1].text(row))] = block.columns[2].text(row);
  return engines;
}

}  // namespace

Deployment::Deployment(clickhouse::Client& client, const CompiledModels& models, const Plan& plan,
                       const ApplyOptions& options)
    : client_(client), models_(models), plan_(plan), options_(options), change_(new_id()), id_(change_) {}

size_t Deployment::number_of(const Build& build) const {
  return static_cast<size_t>(build.step - plan_.steps.data()) + 1;
}

void Deployment::tell(const Build& build, const char* phase, const BackfillProgress& progress) {
  if (!options_.progress) return;
  options_.progress({.model = build.step->model,
                     .step = number_of(build),
                     .steps = plan_.steps.size(),
                     .phase = phase,
                     .rows = build.step->rows,
                     .rows_done = progress.rows,
                     .chunk = progress.chunk,
                     .chunks = progress.chunks});
}

Status Deployment::at_barrier(const std::function<Status()>& action) {
  return online() ? options_.hooks.at_barrier(action) : action();
}

ModelRecord Deployment::record(const Build& build, std::string state) const {
  ModelRecord record = record_of(*build.model, std::move(state));
  record.change = change_;
  auto resumed = resumed_.find(build.model->name);
  record.deployment = resumed == resumed_.end() ? id_ : resumed->second.deployment;
  if (record.state == "preparing")
    record.physical.push_back(Backfill(*build.model, record.deployment, true, 1).fill_table());
  else if (record.state != "active" && build.backfill && !build.backfill->fill_table().empty())
    record.physical.push_back(build.backfill->fill_table());
  return record;
}

Status Deployment::run() {
  if (plan_.destructive() && !options_.allow_destructive)
    return fail(ErrorKind::refused, "the plan drops models, which deletes what they hold",
                "look at `tidemark plan`, then run `tidemark apply --yes`");
  for (const auto& step : plan_.steps)
    if (step.change != ChangeClass::dropped && models_.find(step.model) == nullptr)
      return fail(ErrorKind::conflict, "the plan is for other models than those given", "plan again");
  state_ = TRY(ModelState::load(client_));
  TRY_VOID(take_over_or_discard());
  for (auto& wave : waves()) {
    id_ = new_id();  // a wave has snapshots of its own
    TRY_VOID(make(wave));
    TRY_VOID(begin(wave));
    TRY_VOID(fill(wave));
    TRY_VOID(promote(wave));
  }
  TRY_VOID(announce());
  // Only now: what was replaced in one wave is read by what is replaced in the next.
  TRY_VOID(drop(std::exchange(replaced_, {})));
  for (const auto& step : plan_.steps) {
    if (step.change != ChangeClass::dropped) continue;
    if (options_.progress)
      options_.progress({.model = step.model,
                         .step = static_cast<size_t>(&step - plan_.steps.data()) + 1,
                         .steps = plan_.steps.size(),
                         .phase = "drop"});
    std::vector<ModelRecord> all;
    for (const auto& record : state_.records())
      if (record.model == step.model && record.state != "dropped") all.push_back(record);
    Status dropped = drop(std::move(all), {step.model});
    if (!dropped) return fail(std::move(dropped.error()).in("model " + step.model));
  }
  bool fewer = std::any_of(plan_.steps.begin(), plan_.steps.end(),
                           [](const auto& step) { return step.change == ChangeClass::dropped; });
  if (options_.hooks.follow && fewer) TRY_VOID(options_.hooks.follow());
  std::set<std::string> kept;
  for (const auto& record : state_.records())
    if (unfinished(record)) kept.insert(record.deployment);
  return drop_snapshots(client_, kept);
}

// What a deployment that was cut short left: gone on with when it is still wanted and whole.
Status Deployment::take_over_or_discard() {
  std::vector<ModelRecord> discarded;
  for (const auto& record : state_.records()) {
    if (!unfinished(record)) continue;
    const CompiledModel* model = models_.find(record.model);
    bool planned = std::any_of(plan_.steps.begin(), plan_.steps.end(), [&](const auto& step) {
      return step.model == record.model && step.change != ChangeClass::dropped;
    });
    if (model != nullptr && planned && record.fingerprint == model->fingerprint &&
        !resumed_.contains(record.model) && TRY(resumable(record, *model)))
      resumed_.emplace(record.model, record);
    else
      discarded.push_back(record);
  }
  return drop(std::move(discarded));
}

Result<bool> Deployment::resumable(const ModelRecord& record, const CompiledModel& model) {
  if (record.state != "building" || record.deployment.empty() || record.physical.empty()) return false;
  auto engines = TRY(engines_of(client_, record.physical));
  if (engines.size() != record.physical.size()) return false;
  CompiledModels same{.models = {model}};
  set_generation(same, same.models.front(), record.generation);
  Backfill backfill(same.models.front(), record.deployment, true, options_.chunk_rows);
  bool additive = std::find(record.physical.begin(), record.physical.end(), backfill.fill_table()) !=
                  record.physical.end();
  return !additive || TRY(Snapshots(record.deployment, backfill.tables()).exist(client_));
}

std::vector<Deployment::Wave> Deployment::waves() {
  std::map<std::string, size_t> wave_of;
  std::vector<Wave> waves;
  for (auto& model : models_.models) {
    const PlanStep* step = nullptr;
    for (const auto& candidate : plan_.steps)
      if (candidate.model == model.name && candidate.change != ChangeClass::dropped) step = &candidate;
    if (step == nullptr) continue;
    size_t wave = 0;
    for (const auto& upstream : model.models) {
      auto found = wave_of.find(upstream);
      if (found == wave_of.end()) continue;
      // What keeps it right reads the other one's view or store, which must be whole by then. (A plain view
      // is only replaced after it.)
      // A refresh model's first run reads what its author wrote: public names.
      bool reads = model.kind == ModelKind::refresh;
      const std::string& store = models_.find(upstream)->store;
      for (const auto* statement : model.statements()) {
        if (statement == &model.view_statement) continue;
        reads |= statement->find(public_view(upstream)) != std::string::npos ||
                 (!store.empty() && statement->find(store) != std::string::npos);
      }
      wave = std::max(wave, found->second + (reads ? 1 : 0));
    }
    wave_of[model.name] = wave;
    if (waves.size() <= wave) waves.resize(wave + 1);
    waves[wave].push_back({.step = step, .model = &model});
  }
  return waves;
}

// Tables of the same name may be there: read (then the next generation stands beside them) or left over.
Status Deployment::choose_tables(Build& build) {
  if (!build.stores()) return {};
  auto resumed = resumed_.find(build.model->name);
  if (resumed != resumed_.end()) {
    set_generation(models_, *build.model, resumed->second.generation);
    build.resumed = true;
    return {};
  }
  std::vector<ModelRecord> same;
  std::optional<uint32_t> newest;
  for (const auto& record : state_.records()) {
    if (record.model != build.model->name || record.fingerprint != build.model->fingerprint) continue;
    newest = std::max(newest.value_or(0), record.generation);
    if (record.state != "dropped") same.push_back(record);
  }
  if (online() || options_.new_generation) {
    if (newest) set_generation(models_, *build.model, std::max<uint32_t>(*newest, 1) + 1);
    return {};
  }
  // Nobody reads while nothing runs, and the plan says that what is there is not right.
  TRY_VOID(drop(std::move(same)));
  for (const auto& table : build.model->physical)
    TRY_VOID(client_.execute("DROP TABLE IF EXISTS " + table + " SYNC", long_statement()));
  return {};
}

Status Deployment::make(Wave& wave) {
  std::vector<std::pair<ModelRecord, std::string>> facts;
  for (auto& build : wave) {
    TRY_VOID(choose_tables(build));
    tell(build, "create");
    if (build.stores() && !build.resumed)
      facts.emplace_back(record(build, "preparing"), build.model->file.sql);
  }
  TRY_VOID(state_.write(client_, std::move(facts)));
  std::set<std::string> snapshots;
  for (auto& build : wave) {
    CompiledModel& model = *build.model;
    std::string where = "model " + model.name;
    TRY_VOID(client_.execute("CREATE DATABASE IF NOT EXISTS " + quote_identifier(model.file.database)));
    if (!build.stores()) continue;
    if (!build.resumed)
      for (const auto& statement : model.create_statements)
        if (!feeds(statement))
          if (Status made = client_.execute(statement, {.placement = placement(model)}); !made)
            return fail(std::move(made.error()).in(where));
    auto engines = TRY(engines_of(client_, {model.store}));
    build.additive = !engines.empty() && engines.begin()->second.find("Replacing") == std::string::npos;
    std::string deployment = record(build, "").deployment;
    build.backfill = std::make_unique<Backfill>(model, deployment, build.additive, options_.chunk_rows,
                                                build.step->partitions);
    if (build.resumed || model.backfill_statement.empty()) continue;
    if (Status made = build.backfill->make_fill_table(client_); !made)
      return fail(std::move(made.error()).in(where));
    snapshots.insert(build.backfill->tables().begin(), build.backfill->tables().end());
  }
  return Snapshots(id_, snapshots).make(client_);
}

Status Deployment::begin(Wave& wave) {
  std::vector<CompiledModel> taken_on;
  std::set<std::string> snapshots, with_changes;
  std::vector<std::pair<ModelRecord, std::string>> facts;
  for (const auto& build : wave) {
    if (!build.stores()) continue;
    taken_on.push_back(*build.model);
    if (build.resumed) continue;
    snapshots.insert(build.backfill->tables().begin(), build.backfill->tables().end());
    facts.emplace_back(record(build, "building"), build.model->file.sql);
    for (const auto& table : build.model->tables_in_depth)
      for (const auto& statement : build.model->create_statements)
        if (statement.find(quote_table("bronze", table.substr(7) + "__changes")) != std::string::npos)
          with_changes.insert(table.substr(7));
  }
  const DeploymentHooks& hooks = options_.hooks;
  if (facts.empty()) {
    // Resumed models are fed already, and the runtime was started with them or takes them on now.
    if (!taken_on.empty() && hooks.take_on)
      return at_barrier([&]() -> Status {
        hooks.take_on(taken_on);
        return {};
      });
    return {};
  }
  if (hooks.prepare_change_rows) TRY_VOID(hooks.prepare_change_rows(with_changes));
  int64_t started = 0, ended = 0;
  Status begun = at_barrier([&]() -> Status {
    started = system_clock().monotonic_micros();
    TRY_VOID(Snapshots(id_, snapshots).take(client_));
    for (const auto& build : wave)
      if (!build.step->partitions.empty() && !build.resumed) TRY_VOID(take_over(build));
    for (const auto& build : wave) {
      if (!build.stores() || build.resumed) continue;
      for (const auto& statement : build.model->create_statements)
        if (feeds(statement))
          if (Status made = client_.execute(statement, {.timeout = limits::barrier_statement_time}); !made)
            return fail(std::move(made.error()).in("model " + build.model->name));
    }
    TRY_VOID(state_.write(client_, std::move(facts)));
    if (hooks.begin_change_rows) hooks.begin_change_rows(with_changes);
    if (hooks.take_on) hooks.take_on(taken_on);
    ended = system_clock().monotonic_micros();
    return {};
  });
  if (begun) {
    if (online())
      log::info("deployment {}: {} models begin between two cuts, which waited {:.1f} ms", id_, wave.size(),
                static_cast<double>(ended - started) / 1000);
    return begun;
  }
  // Nothing of it is wanted; when this fails too the next deployment does it.
  std::vector<ModelRecord> records;
  for (const auto& build : wave)
    if (build.stores() && !build.resumed) records.push_back(record(build, "preparing"));
  if (Status dropped = drop(std::move(records)); !dropped)
    log::warn("deployment {}: what it made is left for the next: {}", id_, dropped.error().message);
  return begun;
}

// The partitions that are not rebuilt, as the active store has them at the barrier.
Status Deployment::take_over(const Build& build) {
  const ModelRecord* active = state_.active(build.model->name);
  if (active == nullptr || active->physical.empty())
    return fail(ErrorKind::internal, build.model->name + " has no store to take partitions from");
  const std::string& store = active->physical.back();  // dependents come first
  auto tokens = TRY(tokenize(store));
  Block block = TRY(client_.query(
      "SELECT DISTINCT partition, partition_id FROM " + clickhouse::system_table(client_, "parts") +
          " WHERE active AND database = {database:String} AND table = {table:String}",
      {.parameters = {{"database", tokens.at(0).name}, {"table", tokens.at(2).name}}}));
  const auto& rebuilt = build.step->partitions;
  for (size_t row = 0; row < block.rows(); ++row) {
    if (std::find(rebuilt.begin(), rebuilt.end(), block.columns[0].text(row)) != rebuilt.end()) continue;
    TRY_VOID(client_.execute("ALTER TABLE " + build.model->store + " ATTACH PARTITION ID " +
                                 clickhouse::quote_string(block.columns[1].text(row)) + " FROM " + store,
                             {.timeout = limits::barrier_statement_time}));
  }
  return {};
}

Status Deployment::fill(Wave& wave) {
  for (auto& build : wave) {
    if (!build.stores() || build.model->backfill_statement.empty()) continue;
    BackfillHooks hooks{.stopping = options_.hooks.stopping, .breathe = options_.hooks.breathe};
    hooks.progress = [&](const BackfillProgress& progress) { tell(build, "backfill", progress); };
    Status filled = build.backfill->run(client_, hooks);
    if (!filled) return fail(std::move(filled.error()).in("model " + build.model->name));
  }
  return {};
}

Status Deployment::promote(Wave& wave) {
  std::vector<std::pair<ModelRecord, std::string>> joining;
  for (const auto& build : wave)
    if (build.stores() && build.additive && !build.model->backfill_statement.empty())
      joining.emplace_back(record(build, "joining"), build.model->file.sql);
  TRY_VOID(state_.write(client_, std::move(joining)));
  for (const auto& build : wave)
    if (build.stores() && build.additive && !build.model->backfill_statement.empty())
      if (Status joined = build.backfill->join(client_); !joined)
        return fail(std::move(joined.error()).in("model " + build.model->name));

  for (const auto& build : wave) {
    const ModelRecord* now = state_.active(build.model->name);
    if (now == nullptr || now->fingerprint == build.model->fingerprint) continue;
    Status good = refuse_when_blocked(client_, *build.model);
    if (good) continue;
    // Whole and refused: filling it again would give the same.
    std::vector<ModelRecord> refused;
    for (const auto& other : wave)
      if (other.stores()) refused.push_back(record(other, "joining"));
    TRY_VOID(drop(std::move(refused)));
    return good;
  }

  for (const auto& build : wave) tell(build, "publish");
  // Between two cuts: while one is applied, the store before may have it already and the new one not yet.
  TRY_VOID(at_barrier([&]() -> Status {
    for (const auto& build : wave)
      if (Status replaced =
              client_.execute(build.model->view_statement, {.timeout = limits::barrier_statement_time});
          !replaced)
        return fail(std::move(replaced.error()).in("model " + build.model->name));
    return {};
  }));
  std::vector<std::pair<ModelRecord, std::string>> facts;
  for (const auto& build : wave) {
    ModelRecord active = record(build, "active");
    const ModelRecord* before = state_.active(build.model->name);
    bool healthy = before != nullptr && build.step->change != ChangeClass::repaired;
    for (const auto& other : state_.records()) {
      if (other.model != active.model || other.same_tables(active) || other.state == "dropped") continue;
      // Offline nobody goes on with a keyed store after this, and nobody refreshes what is not public.
      // Nobody rolls back what is only watched.
      bool kept = healthy && &other == before && (online() || other.kind != "keyed") &&
                  other.kind != "refresh" && !build.model->file.watch;
      if (!kept) {
        replaced_.push_back(other);
        continue;
      }
      ModelRecord retired = other;
      retired.state = "retired";
      facts.emplace_back(std::move(retired), "");
    }
    facts.emplace_back(std::move(active), build.model->file.sql);
  }
  TRY_VOID(state_.write(client_, std::move(facts)));
  for (const auto& build : wave)
    if (build.additive && build.backfill && !build.backfill->fill_table().empty())
      TRY_VOID(client_.execute("DROP TABLE IF EXISTS " + build.backfill->fill_table() + " SYNC",
                               long_statement()));
  return {};
}

Status Deployment::announce() {
  const DeploymentHooks& hooks = options_.hooks;
  CompiledModels deployed;
  for (const auto& model : models_.models)
    if (const ModelRecord* active = state_.active(model.name); active != nullptr &&
                                                               active->fingerprint == model.fingerprint &&
                                                               active->generation == model.generation)
      deployed.models.push_back(model);
  if (hooks.promoted)
    TRY_VOID(at_barrier([&]() -> Status {
      hooks.promoted(deployed);
      return {};
    }));
  return hooks.follow ? hooks.follow() : Status();
}

Status Deployment::drop_retired(int64_t before_micros) {
  state_ = TRY(ModelState::load(client_));
  std::vector<ModelRecord> old;
  for (const auto& record : state_.records())
    if (record.state == "retired" && record.written_at < before_micros) old.push_back(record);
  for (const auto& record : old)
    log::info("model {}: the version before is no longer kept for a rollback", record.model);
  return drop(std::move(old));
}

Status Deployment::drop(std::vector<ModelRecord> records, const std::vector<std::string>& gone) {
  if (records.empty() && gone.empty()) return {};
  std::vector<std::string> physical;
  for (const auto& record : records)
    physical.insert(physical.end(), record.physical.begin(), record.physical.end());
  // Of the same name as what is to stay: a generation that is read or was made anew.
  for (const auto& other : state_.records())
    if (other.state == "active" &&
        std::none_of(records.begin(), records.end(), [&](const auto& one) { return one.same_tables(other); }))
      for (const auto& table : other.physical) std::erase(physical, table);
  auto engines = TRY(engines_of(client_, physical));
  TRY_VOID(at_barrier([&]() -> Status {
    for (const auto& model : gone) TRY_VOID(client_.execute("DROP VIEW IF EXISTS " + public_view(model)));
    for (const auto& table : physical)
      if (auto engine = engines.find(table); engine != engines.end() && engine->second == "MaterializedView")
        TRY_VOID(
            client_.execute("DROP TABLE IF EXISTS " + table, {.timeout = limits::barrier_statement_time}));
    if (options_.hooks.leave) options_.hooks.leave(physical, gone);
    return {};
  }));
  for (const auto& table : physical)
    TRY_VOID(client_.execute("DROP TABLE IF EXISTS " + table + " SYNC", long_statement()));
  std::vector<std::pair<ModelRecord, std::string>> facts;
  for (auto& record : records) {
    record.state = "dropped";
    facts.emplace_back(std::move(record), "");
  }
  return state_.write(client_, std::move(facts));
}

}  // namespace tidemark::models
