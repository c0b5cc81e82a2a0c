#include "clickhouse/part_sync.h"

#include "clickhouse/part_sync_limits.h"
#include "clickhouse/test_server.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace tidemark::clickhouse {
namespace {

// A directory of the disk, opened as the library opens files of parts and directories.
class PartSyncTest : public testing::Test {
 protected:
  PartSyncTest() {
    disk_.fdatasync = [this](int) { return ++alone_, 0; };
    disk_.syncfs = [this](int) { return ++together_, 0; };
    disk_.dirty_bytes = [this] { return dirty_; };
    disk_.path = system_disk(nullptr).path;
    disk_.in_background = [this](const std::function<void()>& work) { background_.push_back(work); };
  }
  ~PartSyncTest() override {
    for (int descriptor : opened_) close(descriptor);
  }
  std::filesystem::path at(const std::string& name) { return directory_.path() / name; }
  int directory(const std::string& name) { return keep(open(at(name).c_str(), O_RDONLY | O_DIRECTORY)); }
  int file(const std::string& name) { return keep(open(at(name).c_str(), O_WRONLY | O_CREAT, 0666)); }
  int keep(int descriptor) {
    EXPECT_GE(descriptor, 0);
    opened_.push_back(descriptor);
    return descriptor;
  }

  TestDirectory directory_;
  Disk disk_;
  uint64_t dirty_ = 0;
  std::atomic<int> alone_ = 0;
  std::atomic<int> together_ = 0;
  std::vector<std::function<void()>> background_;
  std::vector<int> opened_;
};

TEST_F(PartSyncTest, APartIsSyncedAtOnceAndItsNameAtTheEnd) {
  PartSync sync(disk_);
  std::filesystem::create_directories(at("tmp_insert_all_1_1_0/by_id.proj"));
  int data = file("tmp_insert_all_1_1_0/data.bin");
  int projection = file("tmp_insert_all_1_1_0/by_id.proj/data.bin");
  ASSERT_EQ(write(data, "rows", 4), 4);
  EXPECT_EQ(sync.sync(directory("tmp_insert_all_1_1_0")), 0);
  EXPECT_EQ(together_, 1);
  EXPECT_EQ(sync.sync(data), 0);
  EXPECT_EQ(sync.sync(projection), 0);
  EXPECT_EQ(sync.sync(directory("tmp_insert_all_1_1_0/by_id.proj")), 0);
  EXPECT_EQ(alone_, 0);
  // Written to or made since; a sync of the directory takes that in.
  ASSERT_EQ(write(data, "more", 4), 4);
  EXPECT_EQ(sync.sync(data), 0);
  EXPECT_EQ(alone_, 1);
  int late = file("tmp_insert_all_1_1_0/late.bin");
  EXPECT_EQ(sync.sync(late), 0);
  EXPECT_EQ(alone_, 2);
  EXPECT_EQ(sync.sync(directory("tmp_insert_all_1_1_0")), 0);
  EXPECT_EQ(sync.sync(data), 0);
  EXPECT_EQ(sync.sync(late), 0);
  EXPECT_EQ(together_, 2);
  EXPECT_EQ(alone_, 2);
  // Renamed to another number: it is known by what it is.
  std::filesystem::rename(at("tmp_insert_all_1_1_0"), at("all_7_7_0"));
  EXPECT_EQ(sync.sync(directory("all_7_7_0")), 0);
  EXPECT_EQ(together_, 2);
  EXPECT_EQ(alone_, 3);
}

TEST_F(PartSyncTest, AnythingElseIsSyncedAsItIsAskedFor) {
  PartSync sync(disk_);
  std::filesystem::create_directories(at("tmp_insert_all_1_1_0"));
  std::filesystem::create_directories(at("tmp_merge_all_1_2_1"));
  EXPECT_EQ(sync.sync(file("table.sql")), 0);
  EXPECT_EQ(sync.sync(file("tmp_merge_all_1_2_1/data.bin")), 0);
  EXPECT_EQ(sync.sync(directory("tmp_merge_all_1_2_1")), 0);
  // The table does not sync the directories of its parts.
  EXPECT_EQ(sync.sync(file("tmp_insert_all_1_1_0/data.bin")), 0);
  EXPECT_EQ(alone_, 4);
  EXPECT_EQ(sync.sync(-1), 0);
  EXPECT_EQ(alone_, 5);
  EXPECT_EQ(together_, 0);
}

TEST_F(PartSyncTest, WhenMuchWaitsToBeWrittenFilesAreSyncedAlone) {
  PartSync sync(disk_);
  dirty_ = limits::sync_together_dirty_bytes + 1;
  for (const char* part : {"tmp_insert_all_1_1_0", "tmp_insert_all_2_2_0"}) {
    std::filesystem::create_directories(at(part));
    EXPECT_EQ(sync.sync(directory(part)), 0);
    EXPECT_EQ(sync.sync(file(std::string(part) + "/data.bin")), 0);
  }
  EXPECT_EQ(alone_, 4);
  EXPECT_EQ(together_, 0);
  // One writes for all.
  ASSERT_EQ(background_.size(), 1U);
  background_.front()();
  EXPECT_EQ(together_, 1);
  dirty_ = 0;
  std::filesystem::create_directories(at("tmp_insert_all_3_3_0"));
  EXPECT_EQ(sync.sync(directory("tmp_insert_all_3_3_0")), 0);
  EXPECT_EQ(alone_, 4);
}

// What it says of the part's own files goes to whoever asked.
TEST_F(PartSyncTest, WhenTheDiskRefusesFilesAreSyncedAlone) {
  disk_.syncfs = [](int) {
    errno = EIO;
    return -1;
  };
  disk_.fdatasync = [this](int) {
    ++alone_;
    errno = ENOSPC;
    return -1;
  };
  PartSync sync(disk_);
  std::filesystem::create_directories(at("tmp_insert_all_1_1_0"));
  int data = file("tmp_insert_all_1_1_0/data.bin");
  EXPECT_EQ(sync.sync(directory("tmp_insert_all_1_1_0")), -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(sync.sync(data), -1);
  EXPECT_EQ(alone_, 2);
}

// Each returns after a syncfs that began when its part was written, and they need fewer of them than they
// are.
TEST_F(PartSyncTest, ThoseWhoWaitShareOne) {
  constexpr int parts = 16;
  std::atomic<int> written{0};
  std::atomic<int> safe{0};
  disk_.syncfs = [&](int) {
    ++together_;
    int before = written;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    safe = before;
    return 0;
  };
  PartSync sync(disk_);
  std::vector<int> first;
  for (int part = 0; part < parts; ++part) {
    std::string name = "tmp_insert_all_" + std::to_string(part);
    std::filesystem::create_directories(at(name));
    first.push_back(directory(name));
  }
  std::atomic<int> early{0};
  std::vector<std::thread> threads;
  for (int descriptor : first)
    threads.emplace_back([&, descriptor] {
      int mine = ++written;
      EXPECT_EQ(sync.sync(descriptor), 0);
      if (safe < mine) ++early;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(early, 0);
  EXPECT_LT(together_, parts);
  EXPECT_EQ(alone_, 0);
}

TEST_F(PartSyncTest, PartsThatFailedMakeRoom) {
  PartSync sync(disk_);
  auto known = [&](size_t number) {
    std::string name = "tmp_insert_all_" + std::to_string(number);
    std::filesystem::create_directories(at(name));
    int data = open(at(name + "/data.bin").c_str(), O_WRONLY | O_CREAT, 0666);
    int part = open(at(name).c_str(), O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(sync.sync(part), 0);
    int before = alone_;
    EXPECT_EQ(sync.sync(data), 0);
    close(data);
    close(part);
    return alone_ == before;
  };
  for (size_t number = 0; number < limits::parts_synced_together_max; ++number) ASSERT_TRUE(known(number));
  EXPECT_FALSE(known(1000)) << "no more than so many";
  std::filesystem::remove_all(at("tmp_insert_all_0"));
  EXPECT_TRUE(known(1001));
}

}  // namespace
}  // namespace tidemark::clickhouse
