#include "ingest/parts_gate.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace tidemark::ingest {
namespace {

TEST(PartsGate, NobodyLooksAtAHalf) {
  PartsGate gate;
  std::atomic<int> half_in{0}, looks{0}, wrong{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int stream = 0; stream < 3; ++stream)
    threads.emplace_back([&, stream] {
      std::string name = "s" + std::to_string(stream);
      for (int cut = 0; cut < 200; ++cut) {
        gate.enter(name);
        ++half_in;
        std::this_thread::yield();
        --half_in;
        gate.leave(name);
        // Whose own parts are in may look himself.
        if (cut % 10 == 0)
          (void)gate.run([&]() -> Status {
            ++looks;
            wrong += half_in != 0;
            return {};
          });
      }
    });
  std::thread clock([&] {
    while (!done)
      (void)gate.run([&]() -> Status {
        ++looks;
        wrong += half_in != 0;
        return {};
      });
  });
  for (auto& thread : threads) thread.join();
  done = true;
  clock.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(looks, 60);
}

TEST(PartsGate, AFailedCutIsHalfInUntilItIsSentAgain) {
  PartsGate gate;
  gate.enter("a");
  std::atomic<bool> looked{false};
  std::thread looker([&] {
    (void)gate.run([&]() -> Status {
      looked = true;
      return {};
    });
  });
  gate.enter("a");  // sent again, while somebody waits
  EXPECT_FALSE(looked);
  gate.leave("a");
  looker.join();
  EXPECT_TRUE(looked);
}

TEST(PartsGate, GivesBackTheActionsError) {
  PartsGate gate;
  EXPECT_EQ(gate.run([]() -> Status { return fail(ErrorKind::limit, "no"); }).error().message, "no");
  gate.enter("a");
  gate.leave("a");
}

}  // namespace
}  // namespace tidemark::ingest
