#include "serve/experiment_routes.h"

#include "base/clock.h"
#include "experiments/report.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <memory>
#include <utility>

namespace tidemark::serve {
namespace {

using experiments::ExperimentFiles;
using http::Request;
using http::Response;

constexpr int64_t made_us = 2'000'000;    // far below the minute that statistics may be old
constexpr size_t made_max = 64;           // documents; more start anew
constexpr size_t threads = 2;             // a slow read-out and the others; more would only share the cores
constexpr size_t questions_waiting = 32;  // beyond it nobody would wait for the answer

Response problem_of(const Error& error) {
  int status = error.kind == ErrorKind::usage             ? 400
               : error.kind == ErrorKind::dependency_down ? 503
               : error.kind == ErrorKind::config          ? 409
                                                          : 500;
  return Response::problem(status, status == 400 ? "bad request" : "no read-out", error.message,
                           error.remedy);
}

Response busy() {
  return Response::problem(503, "busy", "too many read-outs are asked for", "ask again in a few seconds");
}

Result<ExperimentFiles> load(const std::filesystem::path& project) {
  ExperimentFiles files = experiments::load_experiments(project, false);
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  return files;
}

Result<experiments::ReportOptions> options_of(const std::vector<std::pair<std::string, std::string>>& query) {
  experiments::ReportOptions options;
  for (const auto& [name, value] : query) {
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

}  // namespace

ExperimentReports::ExperimentReports(std::filesystem::path project, clickhouse::Endpoint account,
                                     experiments::KeptExperiments& kept)
    : project_(std::move(project)), account_(std::move(account)), kept_(kept) {
  for (size_t number = 0; number < threads; ++number) threads_.emplace_back([this] { work(); });
}

ExperimentReports::~ExperimentReports() {
  stop();
  for (auto& thread : threads_) thread.join();
}

void ExperimentReports::add_routes(http::Server& server) {
  server.route("GET", "/api/experiments", [this](const Request&) { return list(); });
  server.route_deferred("GET", "/api/experiments/{name}",
                        [this](std::shared_ptr<const Request> request, http::Responder answer) {
                          ask(*request, std::move(answer));
                        });
}

void ExperimentReports::stop() {
  std::vector<http::Responder> left;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
    // Also of what is under way: it may end when the server is gone.
    for (auto& [key, question] : std::exchange(open_, {}))
      for (auto& answer : std::exchange(question->waiting, {})) left.push_back(std::move(answer));
    changed_.notify_all();
  }
  for (auto& answer : left) answer(busy());
}

Response ExperimentReports::list() {
  auto files = load(project_);
  if (!files) return problem_of(files.error());
  clickhouse::Client client(account_);
  auto document = experiments::list_document(client, *files, &kept_);
  return document ? Response::json(*document) : problem_of(document.error());
}

void ExperimentReports::ask(const Request& request, http::Responder answer) {
  auto question = std::make_shared<Question>();
  question->key = question->experiment = request.path_parameters.at("name");
  question->query = request.query;
  for (const auto& [name, value] : request.query) question->key += "&" + name + "=" + value;
  std::unique_lock lock(mutex_);
  if (auto found = made_.find(question->key);
      found != made_.end() && system_clock().monotonic_micros() - found->second.first < made_us) {
    std::string document = found->second.second;
    lock.unlock();
    return answer(Response::json(std::move(document)));
  }
  if (auto found = open_.find(question->key); found != open_.end()) {
    found->second->waiting.push_back(std::move(answer));
    return;
  }
  if (stopping_ || waiting_.size() >= questions_waiting) {
    lock.unlock();
    return answer(busy());
  }
  question->waiting.push_back(std::move(answer));
  open_.emplace(question->key, question);
  waiting_.push_back(std::move(question));
  changed_.notify_one();
}

Response ExperimentReports::report(clickhouse::Client& client, const Question& question) {
  auto files = load(project_);
  if (!files) return problem_of(files.error());
  const auto* experiment = files->experiment(question.experiment);
  if (experiment == nullptr)
    return Response::problem(404, "not found", "there is no such experiment",
                             "GET /api/experiments lists them");
  auto options = options_of(question.query);
  if (!options) return problem_of(options.error());
  auto made = experiments::make_report(client, *files, *experiment, *options, &kept_);
  if (!made) return problem_of(made.error());
  return Response::json((*made)->document);
}

void ExperimentReports::work() {
  clickhouse::Client client(account_);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    auto question = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    int64_t begun = system_clock().monotonic_micros();
    Response response = report(client, *question);
    lock.lock();
    if (response.status == 200) {
      if (made_.size() >= made_max) made_.clear();
      // As of its beginning: rows that came meanwhile may not be in it.
      made_[question->key] = {begun, response.body};
    }
    open_.erase(question->key);
    auto waiting = std::exchange(question->waiting, {});
    lock.unlock();
    for (auto& answer : waiting) answer(response);
    lock.lock();
  }
}

}  // namespace tidemark::serve
