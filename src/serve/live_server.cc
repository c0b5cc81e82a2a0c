#include "serve/live_server.h"

#include "base/clock.h"
#include "base/limits.h"
#include "clickhouse/client_pool.h"
#include "config/project.h"
#include "http/server.h"
#include "serve/access.h"
#include "serve/alert_routes.h"
#include "serve/answer_tag.h"
#include "serve/dashboard_routes.h"
#include "serve/documents.h"
#include "serve/fixed_parameters.h"
#include "serve/intake_metrics.h"
#include "serve/live_dashboards.h"
#include "serve/metrics.h"
#include "serve/notification_routes.h"
#include "serve/openapi.h"
#include "serve/page.h"
#include "serve/pull_metrics.h"
#include "serve/query_endpoints.h"
#include "serve/refresh_metrics.h"
#include "serve/segment_status.h"
#include "serve/sql_console.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "alerts/alert_service.h"

namespace tidemark::serve {

using http::Request;
using http::Response;

namespace {

http::ServerOptions server_options(const config::Http& http) {
  http::ServerOptions options;
  options.host = http.host;
  options.port = http.port;
  options.allowed_hosts = {http.host};
  return options;
}

}  // namespace

class LiveServer::Implementation {
 public:
  explicit Implementation(ServeOptions options)
      : options_(std::move(options)),
        server_(server_options(options_.http)),
        pool_(options_.reader, limits::http_worker_threads),
        live_({&options_.dashboards, options_.reader, options_.pipeline_status,
               [this] { return status_document(status_inputs()); }, options_.lineage}) {
    add_routes();
  }
  ~Implementation() { stop(); }

  Status start() {
    TRY_VOID(server_.start());
    live_.start();
    prober_ = std::thread([this] { probe_warehouse(); });
    return {};
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (prober_.joinable()) prober_.join();
    live_.stop();
    server_.stop();
  }

  void on_cut(const ingest::CutEvent& cut) {
    cuts_.add(cut);
    versions_.on_cut(cut);
    live_.on_cut(cut);
  }

  uint16_t port() const { return server_.port(); }
  const ServeOptions& options() const { return options_; }

 private:
  void add_routes();
  StatusInputs status_inputs() const;
  AnswerTime answer_time(const std::string& sql) const;
  void probe_warehouse();
  Response ready() const;

  const ServeOptions options_;
  const Access access_{options_.control_token, options_.tokens, options_.token_limits};
  http::Server server_;
  clickhouse::ClientPool pool_;
  CutMetrics cuts_;
  DataVersions versions_;
  AnswerCounters answers_;

  // What the prober last saw.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool warehouse_up_ = false;
  std::string warehouse_version_;
  std::thread prober_;

  LiveDashboards live_;
};

StatusInputs LiveServer::Implementation::status_inputs() const {
  StatusInputs inputs;
  inputs.project = options_.project;
  inputs.pipeline = options_.pipeline_status();
  if (options_.model_status) inputs.models = options_.model_status();
  if (options_.segment_status) inputs.segments = options_.segment_status();
  if (options_.audit_status) inputs.audits = options_.audit_status();
  inputs.warehouse_mode = options_.warehouse_mode;
  inputs.now_micros = system_clock().wall_micros();
  inputs.viewers = live_.counters().viewers;
  if (options_.deliveries != nullptr)
    inputs.destinations = destinations_document(options_.deliveries->facts());
  if (options_.alerts != nullptr) inputs.alerts = alerts_in_status(options_.alerts->facts());
  std::lock_guard lock(mutex_);
  inputs.warehouse_up = warehouse_up_;
  inputs.warehouse_version = warehouse_version_;
  return inputs;
}

AnswerTime LiveServer::Implementation::answer_time(const std::string& sql) const {
  const ingest::PipelineStatus status = options_.pipeline_status();
  AnswerTime time{.as_of_micros = as_of(status).commit_micros};
  if (!options_.lineage || !options_.moves_with_cuts || !options_.moves_with_cuts(sql)) return time;
  time.version = versions_.of(options_.lineage(sql), status);
  // A model that is filled, and one that takes the place of another, have other rows without a cut.
  if (!time.version.empty() && options_.model_status)
    for (const auto& model : options_.model_status())
      if (model.state == "building") time.version.clear();
  if (!time.version.empty() && options_.deployment) time.version += " " + options_.deployment();
  return time;
}

void LiveServer::Implementation::probe_warehouse() {
  clickhouse::Client client(options_.reader);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool ask_version = warehouse_version_.empty();
    lock.unlock();
    clickhouse::QueryOptions bounded;
    bounded.timeout = std::chrono::seconds(2);
    // The version needs the account to work, not only the server.
    const auto version = ask_version ? client.query_text("SELECT version()", bounded) : std::string();
    const bool up = version.has_value() && (ask_version || client.ping(bounded.timeout).has_value());
    lock.lock();
    warehouse_up_ = up;
    if (!up) warehouse_version_.clear();
    if (up && ask_version) warehouse_version_ = version->substr(0, version->find('\n'));
    changed_.wait_for(lock, std::chrono::milliseconds(limits::live_status_interval_ms),
                      [&] { return stopping_; });
  }
}

Response LiveServer::Implementation::ready() const {
  bool ready = false;
  std::string document = readiness_document(status_inputs(), ready);
  return Response::json(std::move(document), ready ? 200 : 503);
}

void LiveServer::Implementation::add_routes() {
  server_.guard([this](Request& request, const std::string& pattern) -> std::optional<Response> {
    // The page's own files show nothing. What changes something asks for its own scope; senders of events
    // have write keys; a link is asked for its own signature.
    bool asks = pattern.starts_with("/api/") || pattern == "/metrics" || pattern == "/openapi.json";
    bool shared = pattern.starts_with("/api/shared/");
    bool looks = request.method == "GET" || request.method == "HEAD";
    if (options_.http.reading_needs_token && asks && looks && !shared)
      if (auto refused = access_.refuse_reading(request)) return refused;
    if (const auto* fixed = asks && !shared ? access_.fixed_of(request) : nullptr)
      if (auto refused = narrow(request, pattern, *fixed, options_.endpoints, options_.dashboards))
        return refused;
    return asks && !shared ? access_.admit(request) : std::nullopt;
  });
  server_.route("GET", "/enter", [this](const Request& request) {
    return access_.let_browser_in(request, request.query_value("token").value_or(""));
  });
  add_page_routes(server_);

  server_.route("GET", "/api/status",
                [this](const Request&) { return Response::json(status_document(status_inputs())); });
  add_dashboard_routes(server_, {.project = options_.project,
                                 .directory = options_.directory,
                                 .dashboards = options_.dashboards,
                                 .live = live_,
                                 .pool = pool_,
                                 .time = [this](const std::string& sql) { return answer_time(sql); },
                                 .answers = answers_});
  server_.stream(
      "/api/events",
      [this](const Request&, std::shared_ptr<http::EventStream> stream) -> std::optional<Response> {
        live_.watch_events(std::move(stream));
        return std::nullopt;
      });
  server_.route("GET", "/api/endpoints/{name}", [this](const Request& request) {
    for (const auto& endpoint : options_.endpoints)
      if (endpoint.name == request.path_parameters.at("name"))
        return answer_endpoint(endpoint, request, pool_, answer_time(endpoint.sql), answers_);
    return Response::problem(404, "not found", "there is no endpoint of that name",
                             "/openapi.json lists them");
  });

  server_.route("POST", "/api/deployment", [this](const Request& request) {
    if (auto refused = access_.refuse(request, "admin")) return *refused;
    if (!options_.deploy) return Response::problem(404, "not found", "nothing is deployed here");
    auto begun = options_.deploy(request.body);
    return begun ? Response::json(std::move(*begun), 202) : Response::problem(begun.error());
  });
  server_.route("GET", "/api/deployment", [this](const Request&) {
    return Response::json(options_.deployment ? options_.deployment() : "{}");
  });
  server_.route("POST", "/api/models/{name}/refresh", [this](const Request& request) {
    if (auto refused = access_.refuse(request, "admin")) return *refused;
    if (!options_.refresh) return Response::problem(404, "not found", "nothing is refreshed here");
    auto number = options_.refresh(request.path_parameters.at("name"));
    if (!number) return Response::problem(404, "not found", number.error().message, number.error().remedy);
    return Response::json(fmt::format("{{\"asked\":{}}}", *number), 202);
  });
  server_.route("GET", "/api/models/{name}/refresh", [this](const Request& request) {
    if (options_.model_status)
      for (const auto& model : options_.model_status())
        if (model.model == request.path_parameters.at("name") && model.refresh)
          return Response::json(refresh_document(*model.refresh));
    return Response::problem(404, "not found", "there is no refresh model of that name");
  });

  add_sql_route(server_, pool_, [this](const Request& request) { return access_.refuse(request, "read"); });
  add_alert_routes(server_, options_.alerts);
  add_notification_routes(server_, options_.deliveries,
                          [this](const Request& request) { return access_.refuse(request, "notify:write"); });

  server_.route("GET", "/healthz", [](const Request&) { return Response::json("{\"alive\":true}"); });
  server_.route("GET", "/readyz", [this](const Request&) { return ready(); });
  server_.route("GET", "/metrics", [this](const Request&) {
    StatusInputs inputs = status_inputs();
    std::string text = metrics_document(inputs, cuts_, live_.counters(), server_.counters());
    text += intake_metrics(inputs.pipeline.sources);
    text += pull_metrics(inputs.pipeline.sources, system_clock().wall_micros());
    text += answer_metrics(answers_);
    if (options_.model_status) text += refresh_metrics(options_.model_status());
    if (options_.segment_status) text += segment_metrics(options_.segment_status());
    if (options_.alerts != nullptr) text += alert_metrics(options_.alerts->facts());
    if (options_.deliveries != nullptr) text += notification_metrics(options_.deliveries->facts());
    return Response::text(std::move(text), "text/plain; version=0.0.4; charset=utf-8");
  });
  server_.route("GET", "/openapi.json", [this](const Request&) {
    return Response::json(openapi_document(options_.project, options_.endpoints));
  });
  if (options_.more_routes) options_.more_routes(server_);
}

LiveServer::LiveServer(ServeOptions options)
    : implementation_(std::make_unique<Implementation>(std::move(options))) {}
LiveServer::~LiveServer() = default;
Status LiveServer::start() {
  return implementation_->start();
}
void LiveServer::on_cut(const ingest::CutEvent& cut) {
  implementation_->on_cut(cut);
}
void LiveServer::stop() {
  implementation_->stop();
}
uint16_t LiveServer::port() const {
  return implementation_->port();
}
std::string LiveServer::url() const {
  const std::string& host = implementation_->options().http.host;
  const bool everywhere = host == "0.0.0.0" || host == "::";
  return fmt::format("http://{}:{}",
                     everywhere                            ? "localhost"
                     : host.find(':') != std::string::npos ? "[" + host + "]"
                                                           : host,
                     port());
}

}  // namespace tidemark::serve
