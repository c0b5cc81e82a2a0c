#include "ingest/source_life.h"

#include "ingest/applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

using testing::ElementsAre;

// Tries end in an instant, and somebody who looks in that instant must not find that all is well.
TEST(SourceLifeTest, ItWaitsAndSaysWhyUntilALifeHasComeFurther) {
  SourceLife life("shop", system_clock());
  ApplierCounters nothing;
  auto seen = [&] {
    SourceStatus status;
    life.describe(status, nothing, 0);
    return status.state + ": " + status.error;
  };
  std::vector<std::string> begun;
  std::atomic<bool> streams{false};
  life.start({.live = [&]() -> Status {
                life.set_state("starting");
                begun.push_back(seen());
                if (begun.size() < 3) return fail(ErrorKind::dependency_down, "nobody answers");
                life.set_state("streaming");
                streams = true;
                while (life.pause(std::chrono::seconds(1))) {
                }
                return {};
              },
              .proven = [] { return true; }});
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!streams && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(seen(), "streaming: ");
  life.stop();
  EXPECT_THAT(begun, ElementsAre("starting: ", "waiting: nobody answers", "waiting: nobody answers"));
  EXPECT_EQ(life.state(), "stopped");
}

}  // namespace
}  // namespace tidemark::ingest
