#include "ingest/spool.h"

#include "ingest/spool_format.h"
#include "ingest/spool_limits.h"

#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tidemark::ingest {
namespace {

using testing::HasSubstr;

class SpoolTest : public testing::Test {
 protected:
  SpoolTest() {
    std::string pattern = TIDEMARK_BINARY_DIR "/test-spool-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~SpoolTest() override {
    spool_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open(uint64_t bytes_max = uint64_t{64} << 20) {
    auto opened = Spool::open({.directory = directory_, .bytes_max = bytes_max});
    ASSERT_TRUE(opened) << opened.error().describe();
    spool_ = std::move(*opened);
  }
  // Written and durable.
  Status put(const std::string& payload) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Status> outcome;
    Status given = spool_->append(payload, [&](const Status& written) {
      std::lock_guard lock(mutex);
      outcome = written;
      changed.notify_all();
    });
    if (!given) return given;
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return outcome.has_value(); });
    return *outcome;
  }
  // What a reader sees: payloads, and "!" with the bytes of what is damaged.
  std::vector<std::string> read(uint64_t from = 0) {
    std::vector<std::string> seen;
    SpoolReader reader(*spool_, from);
    while (true) {
      auto item = reader.next();
      EXPECT_TRUE(item) << item.error().describe();
      if (!item || !*item) return seen;
      seen.push_back((*item)->damaged ? "!" + std::string((*item)->bytes) : std::string((*item)->bytes));
      EXPECT_EQ(reader.position(), (*item)->end);
    }
  }
  std::vector<std::filesystem::path> files() {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      if (entry.path().extension() == ".spool") found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  }
  static std::string bytes_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static void write(const std::filesystem::path& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::filesystem::path directory_;
  std::unique_ptr<Spool> spool_;
};

TEST_F(SpoolTest, KeepsOrderAcrossRestarts) {
  open();
  std::string identity = spool_->identity();
  std::vector<std::string> all;
  for (int round = 0; round < 3; ++round) {
    for (int number = 0; number < 10; ++number) {
      all.push_back(fmt::format("record {}.{}", round, number));
      ASSERT_TRUE(put(all.back()));
    }
    spool_.reset();
    open();
    EXPECT_EQ(spool_->identity(), identity);
    EXPECT_EQ(read(), all);
  }
}

TEST_F(SpoolTest, ManyWritersShareSyncsAndEachIsToldOnce) {
  open();
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread)
    threads.emplace_back([&, thread] {
      for (int number = 0; number < 200; ++number)
        ASSERT_TRUE(spool_->append(fmt::format("{}:{}", thread, number), [&](const Status& written) {
          EXPECT_TRUE(written);
          ++told;
        }));
    });
  for (auto& thread : threads) thread.join();
  spool_->close();
  EXPECT_EQ(told, 1600);
  std::map<int, int> next;
  auto seen = read();
  EXPECT_EQ(seen.size(), 1600u);
  for (const auto& text : seen) {
    int thread = std::stoi(text);
    EXPECT_EQ(text, fmt::format("{}:{}", thread, next[thread]++));
  }
  EXPECT_LT(spool_->status().syncs, 1600u);
  EXPECT_EQ(spool_->append("late", {}).error().kind, ErrorKind::cancelled);
}

TEST_F(SpoolTest, ATornTailIsCutOffWhereverItWasTorn) {
  open();
  ASSERT_TRUE(put("first"));
  ASSERT_TRUE(put("second"));
  spool_.reset();
  std::string whole = bytes_of(files().back());
  size_t second = spool_header_bytes + 5;
  for (size_t length = second; length < whole.size(); ++length) {
    write(files().back(), whole.substr(0, length));
    open();
    EXPECT_EQ(read(), std::vector<std::string>{"first"}) << length;
    ASSERT_TRUE(put("third"));
    EXPECT_EQ(read(), (std::vector<std::string>{"first", "third"})) << length;
    spool_.reset();
  }
}

TEST_F(SpoolTest, DamageInTheMiddleIsShownAndTheRestIsRead) {
  open();
  for (const char* text : {"first", "second", "third"}) ASSERT_TRUE(put(text));
  spool_.reset();
  std::string whole = bytes_of(files().back());
  size_t second = spool_header_bytes + 5;
  size_t third = second + spool_header_bytes + 6;
  // Any bit of the second record: its length, its sum, its payload.
  for (size_t at = second; at < third; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write(files().back(), damaged);
    open();
    EXPECT_EQ(read(),
              (std::vector<std::string>{"first", "!" + damaged.substr(second, third - second), "third"}))
        << at;
    spool_.reset();
  }
}

TEST_F(SpoolTest, ARecordInsideAPayloadIsNone) {
  open();
  std::string inner;
  append_spool_record(inner, "0123456789abcdef0123456789abcdef", spool_header_bytes, "forged");
  ASSERT_TRUE(put(inner));
  ASSERT_TRUE(put("honest"));
  spool_.reset();
  std::string bytes = bytes_of(files().back());
  bytes[0] = 'X';
  write(files().back(), bytes);
  open();
  auto seen = read();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], "!" + bytes.substr(0, spool_header_bytes + inner.size()));
  EXPECT_EQ(seen[1], "honest");
}

TEST_F(SpoolTest, ALongDamageComesInPieces) {
  open();
  std::string large(3 * limits::spool_damage_bytes_max + 5, 'x');
  ASSERT_TRUE(put(large));
  ASSERT_TRUE(put("after"));
  spool_.reset();
  std::string bytes = bytes_of(files().back());
  bytes[20] = 'y';
  write(files().back(), bytes);
  open();
  auto seen = read();
  ASSERT_EQ(seen.size(), 5u);
  std::string joined;
  for (size_t index = 0; index < 4; ++index) joined += seen[index].substr(1);
  EXPECT_EQ(joined, bytes.substr(0, bytes.size() - spool_header_bytes - 5));
  EXPECT_EQ(seen.back(), "after");
}

TEST_F(SpoolTest, IsFullAtItsBoundAndTakesAgainWhenReleased) {
  constexpr uint64_t bound = 1 << 20;
  open(bound);
  std::string payload(10'000, 'x');
  size_t taken = 0;
  while (true) {
    Status given = put(payload);
    if (!given) {
      EXPECT_EQ(given.error().kind, ErrorKind::limit);
      break;
    }
    ++taken;
  }
  EXPECT_EQ(taken, bound / (payload.size() + spool_header_bytes));
  EXPECT_LE(spool_->status().bytes, bound);
  EXPECT_GE(files().size(), limits::spool_segment_shares - 1);
  EXPECT_EQ(read().size(), taken);
  // Half of it: whole segments before that go.
  uint64_t half = spool_->end() / 2;
  spool_->release(half);
  EXPECT_GT(spool_->first(), 0u);
  EXPECT_LE(spool_->first(), half);
  ASSERT_TRUE(put(payload));
  uint64_t first = spool_->first();
  size_t left = read(first).size();
  spool_.reset();
  open(bound);
  EXPECT_EQ(spool_->first(), first);
  EXPECT_EQ(read(first).size(), left);
}

TEST_F(SpoolTest, AMissingSegmentIsDamage) {
  open(1 << 20);
  for (int number = 0; number < 60; ++number)
    ASSERT_TRUE(put(fmt::format("{:05}", number) + std::string(10'000, 'x')));
  spool_.reset();
  auto segments = files();
  ASSERT_GE(segments.size(), 3u);
  std::filesystem::remove(segments[1]);
  open(1 << 20);
  auto seen = read();
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "!"), 1);
  EXPECT_EQ(seen.back().substr(0, 5), "00059");
}

TEST_F(SpoolTest, TwoProcessesCannotShareOne) {
  open();
  auto second = Spool::open({.directory = directory_});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
}

// A writer that is killed again and again: whatever it was told is durable is there afterwards, in order.
TEST_F(SpoolTest, WhatWasAcknowledgedSurvivesAKill) {
  uint64_t acknowledged = 0;
  for (int round = 0; round < 8; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
      close(pipe_ends[0]);
      auto spool = Spool::open({.directory = directory_});
      if (!spool) _exit(1);
      for (uint64_t number = acknowledged;;) {
        std::string payload(8 + number % 5'000, 'k');
        std::memcpy(payload.data(), &number, sizeof number);
        Status given = (*spool)->append(payload, [&, number](const Status& written) {
          if (written && ::write(pipe_ends[1], &number, sizeof number) < 0) _exit(2);
        });
        // Refused while too much waits for a slow disk: the same number again, or there would be a gap.
        if (given)
          ++number;
        else
          usleep(100);
      }
    }
    close(pipe_ends[1]);
    uint64_t number = 0;
    for (int told = 0; told < 300 + 211 * round; ++told) {
      if (::read(pipe_ends[0], &number, sizeof number) != sizeof number) break;
      acknowledged = number + 1;
    }
    kill(child, SIGKILL);
    // What it said before the kill counts, too.
    while (::read(pipe_ends[0], &number, sizeof number) == sizeof number) acknowledged = number + 1;
    waitpid(child, nullptr, 0);
    close(pipe_ends[0]);
    open();
    auto seen = read();
    spool_.reset();
    std::set<uint64_t> numbers;
    for (const auto& payload : seen) {
      ASSERT_GE(payload.size(), sizeof number);
      std::memcpy(&number, payload.data(), sizeof number);
      EXPECT_EQ(payload.size(), 8 + number % 5'000);
      numbers.insert(number);
    }
    EXPECT_GE(numbers.size(), acknowledged);
    EXPECT_EQ(*numbers.rbegin() + 1, numbers.size());
  }
}

}  // namespace
}  // namespace tidemark::ingest
