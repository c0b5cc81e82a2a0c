// For tests: memberships kept by an evaluator against a real ClickHouse, at a clock of the test's own; it can
// be ended at any write, begun again, and held against the oracle.
#pragma once

#include "segments/evaluator.h"
#include "segments/membership_proof.h"
#include "segments/test_segments.h"

namespace tidemark::segments {

class KeptMemberships {
 public:
  explicit KeptMemberships(int64_t start_us)
      : pool(clickhouse::TestServer::shared().endpoint(), 6), clock(start_us) {}

  // As after a restart: nothing is known but what the warehouse has.
  void begin(size_t alone_entities_min = limits::alone_entities_min, size_t kept_bytes = size_t{64} << 20) {
    evaluator = std::make_unique<Evaluator>(
        pool, clock,
        EvaluatorHooks{
            .alone_entities_min = alone_entities_min,
            .kept_bytes_max = kept_bytes,
            .failpoint = [this](std::string_view point) { return failpoint ? failpoint(point) : Status(); }},
        stop);
    auto prepared = evaluator->prepare();
    ASSERT_TRUE(prepared) << prepared.error().describe();
  }

  Status replace(const std::vector<Definition>& definitions, CompileOptions options) {
    std::vector<Problem> problems;
    options.slice = slice;
    current = definitions;
    Status done = evaluator->replace(definitions, options, problems);
    for (const auto& problem : problems) ADD_FAILURE() << problem.message << " " << problem.remedy;
    return done;
  }

  Status touched(const std::vector<std::string>& entities) {
    for (const auto& group : evaluator->groups()) TRY_VOID(evaluator->touched(group, entities, "event"));
    return {};
  }

  void proven(CompileOptions options, const std::string& when) {
    std::vector<Problem> problems;
    options.slice = slice;
    options.lookup = [this](const std::string& name) -> const Definition* {
      for (const auto& definition : current)
        if (definition.name == name) return &definition;
      return nullptr;
    };
    auto client = pool.lease();
    auto proofs = prove_memberships(*client, current, options, clock.wall_micros(), problems);
    ASSERT_TRUE(proofs) << proofs.error().describe();
    ASSERT_TRUE(problems.empty());
    ASSERT_EQ(proofs->size(), current.size());
    for (const auto& proof : *proofs) {
      members += proof.members;
      EXPECT_EQ(proof.missing + proof.extra, 0u)
          << when << ": " << proof.segment << ": " << fmt::format("{}", fmt::join(proof.examples, ", "));
    }
  }

  // What was written since, "high+ann event" a row.
  std::vector<std::string> news() {
    auto block =
        pool.query(fmt::format("SELECT seq, concat(segment, if(entered = 1, '+', '-'), entity, ' ', cause, "
                               "if(empty(destinations), ' quietly', '')) FROM tidemark.segment_changes WHERE "
                               "seq > {} ORDER BY seq",
                               seen));
    std::vector<std::string> found;
    EXPECT_TRUE(block) << block.error().describe();
    for (size_t row = 0; block && row < block->rows(); ++row) {
      seen = block->columns[0].get<uint64_t>(row);
      found.emplace_back(block->columns[1].text(row));
    }
    return found;
  }

  clickhouse::ClientPool pool;
  ManualClock clock;
  std::atomic<bool> stop{false};
  std::unique_ptr<Evaluator> evaluator;
  std::vector<Definition> current;
  std::function<Status(std::string_view)> failpoint;
  size_t members = 0;  // of all proofs
  size_t slice = 3;    // small, so that everybody is asked in several
  uint64_t seen = 0;
};

}  // namespace tidemark::segments
