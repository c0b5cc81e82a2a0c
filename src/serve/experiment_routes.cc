#include "serve/experiment_routes.h"

#include "base/clock.h"
#include "experiments/report.h"

#include <charconv>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <mutex>

namespace tidemark::serve {
namespace {

using experiments::ExperimentFiles;
using http::Request;
using http::Response;

constexpr int64_t kept_us = 5'000'000;  // far below the minute that statistics may be old
constexpr size_t kept_max = 64;         // questions; more start anew

Response problem_of(const Error& error) {
  int status = error.kind == ErrorKind::usage             ? 400
               : error.kind == ErrorKind::dependency_down ? 503
               : error.kind == ErrorKind::config          ? 409
                                                          : 500;
  return Response::problem(status, status == 400 ? "bad request" : "no read-out", error.message,
                           error.remedy);
}

class Experiments {
 public:
  Experiments(std::filesystem::path project, clickhouse::Endpoint account)
      : project_(std::move(project)), account_(std::move(account)) {}

  Response list() {
    auto files = load();
    if (!files) return problem_of(files.error());
    clickhouse::Client client(account_);
    auto document = experiments::list_document(client, *files);
    return document ? Response::json(*document) : problem_of(document.error());
  }

  Response report(const Request& request) {
    auto files = load();
    if (!files) return problem_of(files.error());
    const auto* experiment = files->experiment(request.path_parameters.at("name"));
    if (experiment == nullptr)
      return Response::problem(404, "not found", "there is no such experiment",
                               "GET /api/experiments lists them");
    auto options = options_of(request);
    if (!options) return problem_of(options.error());
    std::string question = experiment->name;
    for (const auto& [name, value] : request.query) question += "&" + name + "=" + value;
    std::lock_guard lock(mutex_);
    int64_t now = system_clock().monotonic_micros();
    if (auto found = kept_.find(question); found != kept_.end() && now - found->second.first < kept_us)
      return Response::json(found->second.second);
    clickhouse::Client client(account_);
    auto made = experiments::make_report(client, *files, *experiment, *options);
    if (!made) return problem_of(made.error());
    if (kept_.size() >= kept_max) kept_.clear();
    kept_[question] = {system_clock().monotonic_micros(), (*made)->document};
    return Response::json((*made)->document);
  }

 private:
  Result<ExperimentFiles> load() const {
    ExperimentFiles files = experiments::load_experiments(project_, false);
    if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
    return files;
  }

  static Result<experiments::ReportOptions> options_of(const Request& request) {
    experiments::ReportOptions options;
    for (const auto& [name, value] : request.query) {
      if (name == "at") {
        options.at_us = experiments::parse_instant(value);
        if (!options.at_us)
          return fail(ErrorKind::usage, fmt::format("at: `{}` is no moment", value), "2026-05-03T14:30:00Z");
      } else if (name == "dimension") {
        options.dimensions.push_back(value);
      } else if (name == "series") {
        auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), options.points);
        if (failed != std::errc() || end != value.data() + value.size())
          return fail(ErrorKind::usage, fmt::format("series: `{}` is no number", value));
      } else {
        return fail(ErrorKind::usage, fmt::format("there is no parameter {}", name), "at, dimension, series");
      }
    }
    return options;
  }

  std::filesystem::path project_;
  clickhouse::Endpoint account_;
  std::mutex mutex_;
  std::map<std::string, std::pair<int64_t, std::string>> kept_;  // question -> when, answer
};

}  // namespace

void add_experiment_routes(http::Server& server, std::filesystem::path project,
                           clickhouse::Endpoint account) {
  auto experiments = std::make_shared<Experiments>(std::move(project), std::move(account));
  server.route("GET", "/api/experiments", [experiments](const Request&) { return experiments->list(); });
  server.route("GET", "/api/experiments/{name}",
               [experiments](const Request& request) { return experiments->report(request); });
}

}  // namespace tidemark::serve
