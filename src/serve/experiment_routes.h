// Experiments over HTTP: GET /api/experiments, GET /api/experiments/<name>?at=&dimension=&series=.
//
// A read-out can be seconds of work for the warehouse. It is made on threads of its own, a few at a time, so
// that it takes no thread from the page and questions about different experiments do not wait for each other;
// who asks for what is being made waits for that one, and what was made a moment ago is given again. The list
// has the counters of now and needs none of this.
#pragma once

#include "clickhouse/endpoint.h"
#include "experiments/kept_experiments.h"
#include "http/server.h"

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tidemark::serve {

class ExperimentReports {
 public:
  // `project`: its folder; definitions are read when asked. `account` may make tables. `kept` must outlive
  // this.
  ExperimentReports(std::filesystem::path project, clickhouse::Endpoint account,
                    experiments::KeptExperiments& kept);
  ~ExperimentReports();

  // This must outlive the server.
  void add_routes(http::Server& server);

  // Nothing more is begun, who waits is told. What is under way ends by itself, or with the warehouse; the
  // destructor waits for it.
  void stop();

 private:
  struct Question {
    std::string key, experiment;
    std::vector<std::pair<std::string, std::string>> query;
    std::vector<http::Responder> waiting;
  };
  http::Response list();
  void ask(const http::Request& request, http::Responder answer);
  http::Response report(clickhouse::Client& client, const Question& question);
  void work();

  const std::filesystem::path project_;
  const clickhouse::Endpoint account_;
  experiments::KeptExperiments& kept_;

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Question>> waiting_;
  std::map<std::string, std::shared_ptr<Question>> open_;        // waiting or under way, by key
  std::map<std::string, std::pair<int64_t, std::string>> made_;  // key -> when, document
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tidemark::serve
