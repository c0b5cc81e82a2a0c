#include "cli/running_project.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/erasure_hooks.h"
#include "cli/live_alerts.h"
#include "cli/live_erasures.h"
#include "cli/live_experiments.h"
#include "cli/live_models.h"
#include "cli/live_profiles.h"
#include "cli/live_segments.h"
#include "cli/model_desk.h"
#include "cli/model_hooks.h"
#include "cli/model_watch.h"
#include "cli/models_behind.h"
#include "cli/output.h"
#include "cli/profile_routes.h"
#include "cli/project_files.h"
#include "cli/project_lock.h"
#include "cli/project_lookups.h"
#include "cli/project_models.h"
#include "cli/project_routes.h"
#include "cli/running_instance.h"
#include "cli/segment_routes.h"
#include "cli/served_models.h"
#include "cli/signals.h"
#include "cli/source_pipelines.h"
#include "cli/source_wait.h"
#include "cli/start_patience.h"
#include "cli/warehouse_access.h"
#include "clickhouse/client_pool.h"
#include "clickhouse/cluster.h"
#include "clickhouse/deduplication.h"
#include "clickhouse/embedded_server.h"
#include "ingest/kafka_slots_limits.h"
#include "models/audits.h"
#include "models/change_tables.h"
#include "models/compiler.h"
#include "models/generation.h"
#include "models/lookups.h"
#include "models/model_state.h"
#include "models/plan.h"
#include "models/refresh_service.h"
#include "models/sql_tokens.h"
#include "notify/delivery_service.h"
#include "serve/live_server.h"

#include <boost/json.hpp>
#include <set>
#include <signal.h>
#include <sys/random.h>
#include <thread>
#include <unistd.h>

namespace tidemark::cli {
namespace {

constexpr size_t warehouse_connections = 12;
// One that sends and one for its models or its state.
constexpr size_t connections_a_slot = 2;
constexpr int64_t tidy_every_us = 600'000'000;

}  // namespace

struct RunningProject::State {
  config::Project project;
  std::unique_ptr<clickhouse::EmbeddedServer> embedded;
  clickhouse::Endpoint endpoint;
  clickhouse::Endpoint reader;
  std::unique_ptr<clickhouse::ClientPool> pool;
  LiveModels models;
  ingest::PartsGate parts_gate;
  std::unique_ptr<LiveSegments> segments;
  std::unique_ptr<LiveProfiles> profiles;
  LiveExperiments experiments{models};
  std::unique_ptr<LiveErasures> erasures;
  std::unique_ptr<ModelDesk> desk;
  std::vector<std::string> for_later;  // models that are filled beside the stream
  std::string other_files;             // as they were at the start
  std::atomic<bool> stopping{false};
  std::unique_ptr<ModelWatch> watch;  // of what is deployed
  models::DictionaryReloads dictionaries;
  std::unique_ptr<models::RefreshService> refreshes;
  SourcePipelines pipelines;
  std::unique_ptr<notify::DeliveryService> deliveries;  // when there are destinations
  std::unique_ptr<alerts::AlertService> alerts;         // when there are alerts
  std::unique_ptr<serve::LiveServer> server;
  int64_t tidied_at = system_clock().monotonic_micros();
  int lock_fd = -1;
  bool waits_for_sources = false;
  bool sources_began = false;         // and ended: they are to be prepared again
  bool stopped = false, led = false;  // led: at the last look

  Status open_warehouse(const RunOptions& options) {
    if (const auto* embedded_options = project.warehouse.embedded()) {
      clickhouse::EmbeddedOptions start{.data_directory = embedded_options->data,
                                        .http_port = embedded_options->http_port,
                                        .tcp_port = embedded_options->tcp_port};
      if (!options.program.empty()) start.program = options.program.parent_path() / "tidemark-clickhouse";
      embedded = TRY(clickhouse::EmbeddedServer::start(std::move(start)));
      endpoint = embedded->endpoint(clickhouse::Account::tidemark);
      reader = embedded->endpoint(clickhouse::Account::reader);
      log::info("warehouse: embedded ClickHouse {} on port {}", embedded->version(), embedded->http_port());
    } else {
      TRY_VOID(with_servers([this]() -> Status {
        endpoint = TRY(remote_endpoint(*project.warehouse.remote()));
        return {};
      }));
      reader = endpoint;
      log::info("warehouse: {}", endpoint.base_url());
      if (endpoint.cluster) TRY_VOID(with_servers([this] { return join_cluster(); }));
    }
    size_t connections = warehouse_connections;
    for (const auto& source : project.kafka_sources)
      if (source.slots > 1) connections += connections_a_slot * source.slots;
    if (endpoint.cluster) endpoint.cluster->allow_connections(connections);
    pool = std::make_unique<clickhouse::ClientPool>(endpoint, connections);
    return with_servers([this] { return pool->lease()->ping(std::chrono::seconds(10)); });
  }

  Status join_cluster() {
    TRY_VOID(refuse_on_cluster(project));
    TRY_VOID(endpoint.cluster->claim());
    log::info("warehouse: cluster {} of {} shards{}", endpoint.cluster->name(), endpoint.cluster->shards(),
              endpoint.cluster->replicated() ? ", replicated" : "");
    return {};
  }

  models::DeploymentHooks deployment_hooks() {
    models::DeploymentHooks hooks;
    hooks.at_barrier = [this](const std::function<Status()>& action) {
      return pipelines.at_barrier(action, stopping);
    };
    hooks.prepare_change_rows = [this](const std::set<std::string>& tables) {
      return pipelines.prepare_change_rows(tables);
    };
    hooks.begin_change_rows = [this](const std::set<std::string>& tables) {
      pipelines.begin_change_rows(tables);
    };
    hooks.take_on = [this](const std::vector<models::CompiledModel>& list) { models.take_on(list); };
    hooks.leave = [this](const std::vector<std::string>& physical, const std::vector<std::string>& gone) {
      models.leave(physical, gone);
    };
    hooks.promoted = [this](const models::CompiledModels& deployed) {
      models.publish(deployed);
      if (segments) segments->doubt();
    };
    hooks.follow = [this] { return follow(); };
    // Cuts come first: the next chunk waits for them, but not for ever.
    hooks.breathe = [this] {
      int64_t deadline = system_clock().monotonic_micros() + limits::backfill_breath_us_max;
      auto behind = [this] {
        for (const auto& source : status().sources)
          if (!source.caught_up() && source.lag_ms > limits::backfill_lag_ms_max) return true;
        return false;
      };
      while (!stopping && behind() && system_clock().monotonic_micros() < deadline)
        std::this_thread::sleep_for(limits::fence_poll_every);
    };
    return experiments.with(std::move(hooks));
  }

  // Everything that goes by the project's models goes by these now.
  Status follow() {
    if (!watch) watch = std::make_unique<ModelWatch>(endpoint, [this] { return status(); });
    auto published = models.published();
    TRY_VOID(watch->follow(*pool->lease(), *published, project.audits));
    dictionaries.replace(models::dictionaries_of(project, *published));
    return refreshes->replace(*published);
  }

  Result<std::vector<config::ModelFile>> load_models(const DeployRequest& request) {
    if (request.watched_only) return deployed_with_watched(*pool->lease(), project, *models.published());
    return models_on_disk(*pool->lease(), project);
  }

  // Before capture starts nothing else repeats what a server that went away took with it. Each step may be
  // done again from its beginning; it is, when the embedded warehouse died under it, or something of the
  // user's own does not answer.
  Status with_servers(const std::function<Status()>& step) {
    std::optional<StartPatience> patience(std::in_place);
    for (int deaths = 0;;) {
      uint64_t restarts = embedded ? embedded->restarts() : 0;
      Status done = step();
      if (done) return done;
      // Dead, or dead and back already.
      bool died =
          embedded && (embedded->restarts() != restarts || !pool->lease()->ping(std::chrono::seconds(1)));
      if (!died) {
        if (waits_for_sources && StartPatience::may_mend_itself(done.error()) && TRY(wait_for_sources()))
          patience.emplace();
        else if (!patience->again_after(done.error()))
          return done;
        continue;
      }
      if (++deaths == limits::start_step_attempts) return done;
      log::warn("the warehouse went away while starting, trying again: {}", done.error().message);
      int64_t deadline = system_clock().monotonic_micros() + limits::start_warehouse_wait_us;
      while (!pool->lease()->ping(std::chrono::seconds(1))) {
        if (system_clock().monotonic_micros() > deadline) return done;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }

  // Whether it had to wait for a Postgres. A page says so meanwhile.
  Result<bool> wait_for_sources() {
    return SourceWait(project).until_all_answer([this] { return page_options(); });
  }

  // Each process would have to follow at the same place between two cuts of all.
  Result<uint64_t> begin_deployment(DeployRequest request) {
    if (SourcePipelines::shared(project))
      return fail(
          ErrorKind::conflict,
          "models over a source with slots are not changed while it runs: other processes write to them",
          "end all processes of the project, change the models, and start one after the other");
    return desk->begin(std::move(request));
  }

  // Who takes the lead does not know what the one before left undone.
  void follow_lead() {
    bool leads = pipelines.leads();
    if (std::exchange(led, leads) || !leads || !SourcePipelines::shared(project)) return;
    std::vector<std::string> tables;
    for (const auto& source : status().sources)
      for (const auto& table : source.tables) tables.push_back(table.table);
    refreshes->on_copy(tables);
  }

  Result<uint64_t> ask_refresh(const std::string& model) {
    if (pipelines.leads()) return refreshes->ask(model);
    return fail(ErrorKind::conflict,
                fmt::format("{} is refreshed by the process that works on slot 0, which is another", model),
                "ask that one: its log says that it leads");
  }

  void make_segments() {
    profiles = std::make_unique<LiveProfiles>(*pool, models, stopping);
    erasures =
        std::make_unique<LiveErasures>(*pool, project,
                                       erasure_hooks({*pool, pipelines, models, *profiles, experiments,
                                                      segments, dictionaries, refreshes, desk, stopping}),
                                       stopping);
    segments = std::make_unique<LiveSegments>(
        *pool, parts_gate,
        TableLineage{
            .reads = [this](const std::string& model) { return models.lineage()->tables_of_name(model); },
            .add_kept = [this](std::vector<std::string>& tables) { profiles->add_kept(tables); }},
        stopping);
    models.watch(experiments.hooks(segments->hooks()));
  }

  // Watches what definitions that lie in the warehouse read by now.
  Status deploy_watched() {
    TRY_VOID(begin_deployment({.destructive = true, .watched_only = true}));
    return desk->wait();
  }

  Status start_segments() {
    LiveSegments::Surroundings around{.deliveries = deliveries.get(),
                                      .shared = SourcePipelines::shared(project)};
    for (const auto& source : pipelines.status().sources)
      for (const auto& table : source.tables) around.captured.insert(table.table);
    return segments->start(project, around);
  }

  Status prepare_alerts() {
    alerts = TRY(make_alerts({.project = project,
                              .pool = *pool,
                              .reader = reader,
                              .deliveries = deliveries.get(),
                              .models = models,
                              .segments = *segments,
                              .gate = parts_gate,
                              .pipeline = [this] { return status(); },
                              .audits = [this] { return watch->audits(); },
                              .leads = [this] { return pipelines.leads(); }}));
    return {};
  }

  void make_refreshes() {
    refreshes = std::make_unique<models::RefreshService>(
        *pool, system_clock(),
        models::RefreshHooks{
            .at_fence =
                [this](const std::function<Status()>& action) {
                  return pipelines.at_barrier(action, stopping);
                },
            .before_swap = [this](const models::CompiledModel& model, const std::string& table) -> Status {
              return models::refuse_when_blocked(*pool->lease(), model, table);
            },
            .after_swap =
                [this](const models::CompiledModel& model) {
                  dictionaries.reload_over(*pool->lease(), model.name);
                  if (watch) watch->on_refresh(model.name);
                }},
        [this](const std::set<std::string>& tables) { return pipelines.complete(tables); });
  }

  Status prepare_sources(const RunOptions& options) {
    std::set<std::string> with_changes = TRY(tables_with_changes(*pool->lease(), project));
    auto on_cut = [this](ingest::CutEvent cut) {
      profiles->add_kept(cut.tables);
      if (watch) watch->on_cut(cut);
      if (server) server->on_cut(cut);
      if (segments) segments->on_cut(cut.tables);
      if (alerts) alerts->on_cut(cut.tables);
      erasures->on_cut(cut.tables);
    };
    TRY_VOID(pipelines.prepare(
        project, *pool,
        {.tables_with_changes = std::move(with_changes),
         .recopy = options.recopy,
         .hooks = experiments.with(model_hooks({*pool, models, *profiles, *segments, dictionaries, *refreshes,
                                                parts_gate, [this] { return pipelines.leads(); }})),
         .on_cut = on_cut}));
    erasures->attach(pipelines.doors());
    return profiles->prepare(project, SourcePipelines::shared(project));
  }

  // A cut that a kill interrupted is applied again under the models the warehouse has, before new ones are
  // filled from bronze: see cut_is_interrupted().
  Status finish_interrupted_cut(clickhouse::Client& client, const models::CompiledModels& compiled,
                                const RunOptions& options) {
    models::CompiledModels kept = compiled;
    models::Plan plan = TRY(models::compute_plan(client, compiled));
    bool fills = false;
    for (const auto& step : plan.steps) {
      const auto* model = compiled.find(step.model);
      fills |= model != nullptr && !model->store.empty();
      std::erase_if(kept.models, [&](const auto& one) { return one.name == step.model; });
    }
    if (!fills) return {};
    while (TRY(ingest::cut_is_interrupted(client))) {
      log::info("models changed; what a kill interrupted is finished first");
      models.replace(kept);
      sources_began = true;
      pipelines.start();
      Status waited = pipelines.reach_fences([] { return Signals::pending(); });
      pipelines.stop();
      TRY_VOID(std::move(waited));
      // Stopping may leave a large transaction half applied: then once more.
      TRY_VOID(prepare_sources(options));
      sources_began = false;
    }
    return {};
  }

  Status check_alone_to_change(clickhouse::Client& client, const models::CompiledModels& compiled) {
    if (TRY(models::compute_plan(client, compiled)).empty()) return {};
    auto alone = pipelines.check_alone();
    if (alone) return {};
    return fail(std::move(alone.error()).in("the models differ from those that are deployed"));
  }

  Status deploy_models(const RunOptions& options) {
    if (sources_began) TRY_VOID(prepare_sources(options));
    sources_began = false;
    auto client = pool->lease();
    TRY_VOID(make_lookups(*client, project));
    auto compilation = TRY(compile_project(*client, project));
    if (!compilation.ok()) {
      std::string text;
      for (const auto& diagnostic : compilation.errors) text += diagnostic.render() + "\n";
      return fail(ErrorKind::config,
                  fmt::format("{} in the models\n{}", counted(compilation.errors.size(), "error"), text));
    }
    bool shared = SourcePipelines::shared(project);
    if (shared) TRY_VOID(check_alone_to_change(*client, compilation.models));
    if (!options.recopy) TRY_VOID(finish_interrupted_cut(*client, compilation.models, options));
    // That may have let somebody in.
    if (shared) TRY_VOID(check_alone_to_change(*client, compilation.models));
    auto tell = [](const models::ApplyProgress& progress) {
      if (progress.chunk == 0)
        log::info("model {} ({}/{}): {}", progress.model, progress.step, progress.steps, progress.phase);
    };
    for_later =
        TRY(models::prepare(*client, compilation.models, tell,
                            options.recopy || shared ? UINT64_MAX : limits::backfill_before_start_rows));
    models::CompiledModels deployed = std::move(compilation.models);
    models::adopt_generations(deployed, TRY(models::ModelState::load(*client)));
    std::erase_if(deployed.models, [&](const auto& model) {
      return std::find(for_later.begin(), for_later.end(), model.name) != for_later.end();
    });
    models.replace(std::move(deployed));
    return follow();
  }

  // Tokens of a dead process's cut must be known until another one replays it, however fast others go on.
  Status widen_windows() {
    std::set<std::string> databases{"bronze"};
    for (const auto& model : models.published()->models)
      for (const auto& table : model.physical) databases.insert(TRY(models::tokenize(table)).at(0).name);
    return clickhouse::widen_deduplication(*pool->lease(), databases, limits::kafka_slots_window_blocks);
  }

  void make_desk() {
    desk = std::make_unique<ModelDesk>(
        endpoint, [this](const DeployRequest& request) { return load_models(request); }, deployment_hooks());
  }

  void fill_the_rest() {
    if (for_later.empty()) return;
    log::info("{} are filled while the stream goes on", counted(for_later.size(), "model"));
    if (auto begun = desk->begin({.leave_dropped = true}); !begun) log::warn("{}", begun.error().describe());
  }

  ingest::PipelineStatus status() const {
    return with_readers_of_dropped(pipelines.status(), *models.published());
  }

  Status prepare_deliveries() {
    auto destinations = TRY(config::load_destinations(project.root));
    if (destinations.empty()) return {};
    deliveries = std::make_unique<notify::DeliveryService>(endpoint, std::move(destinations),
                                                           [this] { return pipelines.leads(); });
    return deliveries->prepare();
  }

  Result<serve::ServeOptions> page_options() const {
    serve::ServeOptions options;
    options.project = project.name;
    options.directory = project.root;
    options.http = project.http;
    options.dashboards = project.dashboards;
    options.endpoints = project.endpoints;
    options.reader = reader;
    options.warehouse_mode = embedded ? "embedded" : "remote";
    options.tokens = project.tokens;
    options.token_limits = TRY(config::load_token_limits(project.root));
    options.control_token = TRY(random_token());
    return options;
  }

  Status start_page() {
    serve::ServeOptions options = TRY(page_options());
    options.pipeline_status = [this] { return status(); };
    options.model_status = [this] {
      auto list = watch->models(status());
      add_refresh_status(list, *refreshes);
      add_building(list, *desk);
      return list;
    };
    options.segment_status = [this] { return segments->counts(); };
    options.audit_status = [this] { return watch->audits(); };
    options.lineage = [this](const std::string& sql) {
      auto tables = models.tables_of(sql);
      return std::vector<std::string>(tables.begin(), tables.end());
    };
    options.moves_with_cuts = [this](const std::string& sql) {
      return models.lineage()->moves_with_cuts(sql);
    };
    std::string token = options.control_token;
    options.deploy = [this](const std::string& request) -> Result<std::string> {
      uint64_t number = TRY(begin_deployment(TRY(DeployRequest::from_json(request))));
      return fmt::format("{{\"deployment\":{}}}", number);
    };
    options.deployment = [this] { return desk->document(); };
    options.refresh = [this](const std::string& model) { return ask_refresh(model); };
    options.deliveries = deliveries.get();
    options.alerts = alerts.get();
    auto access = std::make_shared<serve::Access>(token, project.tokens, options.token_limits);
    options.more_routes = [this, access](http::Server& http) {
      if (!pipelines.doors().empty()) ingest::add_event_routes(http, pipelines.doors());
      ingest::add_webhook_routes(http, pipelines.webhooks());
      experiments.add_routes(http, project, endpoint, pipelines, stopping);
      add_segment_routes(http, *segments, *pool, project, access);
      add_profile_routes(http, *erasures, access);
      add_project_routes(http, project, *pool, models, *segments, pipelines, access);
    };
    server = std::make_unique<serve::LiveServer>(std::move(options));
    TRY_VOID(server->start());
    return write_running_instance(project.root, {server->url(), token});
  }

  void stop() {
    if (std::exchange(stopped, true)) return;
    stopping = true;
    if (erasures) erasures->stop();
    if (alerts) alerts->stop();
    if (segments) segments->stop();
    if (desk) desk->stop();
    if (watch) watch->stop();
    if (refreshes) refreshes->stop();
    pipelines.stop();
    if (deliveries) deliveries->stop();
    experiments.stop();
    if (server) server->stop();
    if (embedded) embedded->stop();
    std::error_code ignored;
    if (server) std::filesystem::remove(running_instance_file(project.root), ignored);
    if (lock_fd >= 0) close(lock_fd);
  }
};

RunningProject::RunningProject(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunningProject::~RunningProject() {
  state_->stop();
}

Result<std::unique_ptr<RunningProject>> RunningProject::start(config::Project project,
                                                              const RunOptions& options) {
  std::unique_ptr<RunningProject> running(new RunningProject(std::make_unique<State>()));
  State& state = *running->state_;
  state.project = std::move(project);
  state.other_files = files_beside_models(state.project.root);
  state.lock_fd = TRY(lock_project(state.project.root));
  TRY_VOID(state.open_warehouse(options));
  state.waits_for_sources = options.wait_for_sources;
  state.make_segments();
  state.make_refreshes();
  TRY_VOID(state.with_servers([&] { return state.erasures->open(); }));
  TRY_VOID(state.with_servers([&] { return state.prepare_sources(options); }));
  if (SourcePipelines::shared(state.project)) state.models.share_stores();
  TRY_VOID(state.with_servers([&] { return state.deploy_models(options); }));
  // A model that segments are over may only just have been made.
  if (TRY(watched_models(*state.pool->lease(), state.project)).size() > state.models.watched_by_segments())
    TRY_VOID(state.with_servers([&] { return state.deploy_models(options); }));
  if (SourcePipelines::shared(state.project))
    TRY_VOID(state.with_servers([&] { return state.widen_windows(); }));
  TRY_VOID(state.with_servers([&] { return state.prepare_deliveries(); }));
  TRY_VOID(state.with_servers([&] { return state.profiles->start(); }));
  TRY_VOID(state.with_servers([&] { return state.start_segments(); }));
  TRY_VOID(state.with_servers([&] { return state.prepare_alerts(); }));
  TRY_VOID(state.with_servers([&] { return state.erasures->finish_correction(); }));
  state.make_desk();
  TRY_VOID(state.start_page());
  state.pipelines.start();
  state.watch->start();
  state.segments->begin([&state] { return state.deploy_watched(); });
  if (state.deliveries) state.deliveries->start();
  if (state.alerts) state.alerts->start();
  state.refreshes->start();
  state.erasures->start();
  state.fill_the_rest();
  return running;
}

std::string RunningProject::url() const {
  return state_->server->url();
}
const config::Project& RunningProject::project() const {
  return state_->project;
}
clickhouse::Endpoint RunningProject::warehouse() const {
  return state_->endpoint;
}
ingest::PipelineStatus RunningProject::status() const {
  return state_->status();
}
void RunningProject::stop() {
  state_->stop();
}
Result<uint64_t> RunningProject::deploy(DeployRequest request) {
  return state_->begin_deployment(std::move(request));
}
void RunningProject::tidy() {
  state_->follow_lead();
  int64_t now = system_clock().monotonic_micros();
  if (now - state_->tidied_at < tidy_every_us) return;
  state_->tidied_at = now;
  // Others may still write to old versions.
  if (state_->pipelines.leads() && state_->pipelines.owns_all()) state_->desk->expire();
}
bool RunningProject::only_models_changed() const {
  return files_beside_models(state_->project.root) == state_->other_files;
}
Status RunningProject::refresh(const std::string& model) {
  TRY_VOID(state_->refreshes->answer(model, TRY(state_->ask_refresh(model))));
  return {};
}

Status RunningProject::catch_up(const std::function<bool()>& stopped) {
  TRY_VOID(state_->pipelines.reach_fences(stopped));
  while (state_->desk->building() && !stopped()) std::this_thread::sleep_for(limits::fence_poll_every);
  if (stopped()) return fail(ErrorKind::cancelled, "stopped");
  TRY_VOID(state_->desk->wait());
  for (const auto& model : state_->models.published()->models)
    if (model.kind == models::ModelKind::refresh) TRY_VOID(refresh(model.name));
  return {};
}

bool RunningProject::quiet() const {
  for (const auto& source : state_->status().sources)
    if (!source.caught_up()) return false;
  return true;
}

std::optional<Error> RunningProject::gave_up() const {
  return state_->pipelines.gave_up();
}

}  // namespace tidemark::cli
