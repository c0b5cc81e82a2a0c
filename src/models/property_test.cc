#include "clickhouse/test_server.h"
#include "models/property_run.h"

#include <atomic>
#include <cstdlib>
#include <gtest/gtest.h>
#include <thread>

namespace tidemark::models {
namespace {

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* given = std::getenv(variable);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

// `name` and the models it reads, directly or not.
std::set<std::string> with_upstream(const std::vector<config::ModelFile>& files, const std::string& name) {
  std::set<std::string> found;
  for (const auto& file : files)
    for (const auto& reader : files)
      if (reader.full_name() == name && reads_any(files, reader, {file.full_name()}))
        found.insert(file.full_name());
  return found;
}

// The seed again with the failing model and what it reads alone, every cut checked: the first bad cut.
std::string shrunk(clickhouse::Client& client, PropertyOptions options, const PropertyFailure& failure,
                   const std::vector<config::ModelFile>& files) {
  std::string text = fmt::format("TIDEMARK_SEED={}\n{} after cut {}: {}\n", options.seed, failure.model,
                                 failure.cut, failure.what);
  if (failure.model.empty()) return text;
  options.only = with_upstream(files, failure.model);
  options.check_every_cut = true;
  PropertyRun again(client, options);
  auto smaller = again.run();
  for (const auto& file : files)
    if (options.only.contains(file.full_name())) {
      std::string key;
      for (const auto& column : file.key) key += (key.empty() ? " key " : ", ") + column;
      text += fmt::format("-- {} {}{}\n{}\n", file.full_name(), file.kind, key, file.sql);
    }
  if (smaller)
    text += fmt::format("alone, first after cut {}: {}\n", smaller->cut, smaller->what);
  else
    text += "alone it does not fail: other models or the moment of checking matter\n";
  return text;
}

// Each worker has a server of its own, because models live in databases whose names are given; in memory
// where there is room, because stores are written with fsync and a test survives no power loss.
class Worker {
 public:
  Worker() {
    std::string pattern = std::filesystem::exists("/dev/shm") ? "/dev/shm/tidemark-property-XXXXXX"
                                                              : TIDEMARK_BINARY_DIR "/property-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory for a test server");
    directory_ = pattern;
    auto started = clickhouse::EmbeddedServer::start(clickhouse::test_server_options(directory_));
    if (!started) throw std::runtime_error(started.error().describe());
    server_ = std::move(*started);
  }
  ~Worker() {
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void run(std::atomic<uint64_t>& next, uint64_t end, std::atomic<uint64_t>& failures) {
    clickhouse::Client client(server_->endpoint(clickhouse::Account::tidemark));
    while (failures < 5) {
      uint64_t seed = next++;
      if (seed >= end) return;
      PropertyOptions options{
          .seed = seed, .models = number_from("TIDEMARK_MODELS", 5), .cuts = number_from("TIDEMARK_CUTS", 7)};
      PropertyRun run(client, options);
      if (auto failure = run.run()) {
        ++failures;
        ADD_FAILURE() << shrunk(client, options, *failure, run.files());
      }
      counts.add(run.counts());
      if ((seed + 1) % 100 == 0) {
        fmt::print("up to seed {}, {} failures\n", seed, failures.load());
        std::fflush(stdout);
      }
    }
  }

  PropertyCounts counts;

 private:
  std::filesystem::path directory_;
  std::unique_ptr<clickhouse::EmbeddedServer> server_;
};

TEST(RandomModels, EqualTheirRecomputeUnderARandomStreamWithKills) {
  bool one = std::getenv("TIDEMARK_SEED") != nullptr;
  // Continuous integration always takes the same seeds: it judges a change, by hand we hunt.
  bool always_the_same = std::getenv("CI") != nullptr;
  uint64_t first = number_from("TIDEMARK_SEED", always_the_same ? 1 : std::random_device{}() % 1'000'000'000);
  uint64_t seeds = number_from("TIDEMARK_SEEDS", one ? 1 : std::getenv("CI") != nullptr ? 200 : 300);
  fmt::print("seeds {} to {}\n", first, first + seeds - 1);
  std::fflush(stdout);
  auto began = std::chrono::steady_clock::now();
  std::atomic<uint64_t> next{first}, failures{0};
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  for (uint64_t index = 0; index < std::min<uint64_t>(seeds, number_from("TIDEMARK_WORKERS", 2)); ++index)
    workers.push_back(std::make_unique<Worker>());
  for (auto& worker : workers) threads.emplace_back([&] { worker->run(next, first + seeds, failures); });
  for (auto& thread : threads) thread.join();
  PropertyCounts counts;
  for (const auto& worker : workers) counts.add(worker->counts);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  fmt::print(
      "{} seeds in {:.1f} s: {} models written, {} compiled, {} refused, {} read refused ones; {} cuts, {} "
      "kills, {} checks, {} rows compared\n",
      seeds, seconds, counts.written, counts.compiled, counts.refused, counts.left_out, counts.cuts,
      counts.kills, counts.checks, counts.rows);
  for (const auto& [phase, time] : counts.seconds) fmt::print("  {:6.1f} s {}\n", time, phase);
  std::vector<std::pair<uint64_t, std::string>> refusals;
  for (const auto& [message, count] : counts.refusals) refusals.emplace_back(count, message);
  std::sort(refusals.rbegin(), refusals.rend());
  bool show = std::getenv("TIDEMARK_REFUSED") != nullptr;
  for (const auto& [count, message] : refusals) {
    fmt::print("  refused {:4} x {}\n", count, message);
    if (show) fmt::print("{}\n", counts.examples.at(message));
  }
  for (const auto& [construct, count] : counts.constructs) {
    fmt::print("  {:5} models with {}\n", count, construct);
    // What is never made is never tested.
    EXPECT_TRUE(count > 0 || seeds < 200) << construct;
  }
  std::fflush(stdout);
  EXPECT_GE(static_cast<double>(counts.compiled), 0.7 * static_cast<double>(counts.written))
      << "the grammar makes too much that the compiler refuses";
}

}  // namespace
}  // namespace tidemark::models
