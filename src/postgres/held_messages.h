// The messages of one transaction that has not committed yet, in the order in which they came: in memory, and
// in a file once they are moved there.
//
// The file has no name: it is unlinked as soon as it is made, so the disk has it back whenever this object is
// gone, also after kill -9. Nothing in it outlives the process, because the server sends a transaction that
// was not acknowledged again, from its beginning.
//
// Threads: one at a time. Failure: `limit`, when the disk is full or cannot be written.
#pragma once

#include "base/error.h"
#include "postgres/lsn.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace tidemark::postgres {

class HeldMessages {
 public:
  struct Message {
    uint32_t subtransaction = 0;
    uint64_t place = 0;  // as it was given to add()
    std::string_view payload;
  };

  // `directory` is used, and made, when something goes to disk.
  explicit HeldMessages(std::filesystem::path directory) : directory_(std::move(directory)) {}
  ~HeldMessages();
  HeldMessages(const HeldMessages&) = delete;
  HeldMessages& operator=(const HeldMessages&) = delete;

  // The payload is `type` and `rest`. Fails only for a message so large that it is written at once.
  Status add(uint32_t subtransaction, uint64_t place, char type, std::string_view rest);
  Status move_to_disk();
  // All of them, in order. Errors: those of `take`, and of the file.
  Status read(const std::function<Status(const Message&)>& take) const;

  size_t memory_bytes() const { return memory_bytes_; }
  uint64_t disk_bytes() const { return disk_bytes_; }

 private:
  struct Header {
    uint32_t bytes;  // of the payload
    uint32_t subtransaction;
    uint64_t place;
  };
  struct Piece {
    std::unique_ptr<char[]> data;
    size_t used = 0;
    size_t size = 0;
  };
  char* room_for(size_t bytes);
  Status open_file();
  Status write(const char* data, size_t bytes);
  Status read_file(const std::function<Status(const Message&)>& take) const;

  std::filesystem::path directory_;
  std::vector<Piece> pieces_;
  size_t memory_bytes_ = 0;
  int file_ = -1;
  uint64_t disk_bytes_ = 0;
};

}  // namespace tidemark::postgres
