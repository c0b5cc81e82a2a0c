#include "postgres/held_messages.h"

#include "postgres/streamed_limits.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace tidemark::postgres {
namespace {

tl::unexpected<Error> held_file_error(ErrorKind kind, const char* what,
                                      const std::filesystem::path& directory) {
  return fail(kind,
              fmt::format("a transaction that still runs cannot be kept in {}: {}: {}", directory.string(),
                          what, std::strerror(errno)),
              "make room there, or set `streaming: false` for the source");
}

}  // namespace

HeldMessages::~HeldMessages() {
  if (file_ >= 0) ::close(file_);
}

char* HeldMessages::room_for(size_t bytes) {
  if (pieces_.empty() || pieces_.back().size - pieces_.back().used < bytes) {
    size_t size = pieces_.empty()
                      ? limits::streamed_piece_bytes_min
                      : std::min(limits::streamed_piece_bytes_max, pieces_.back().size * size_t{2});
    size = std::max(size, bytes);
    pieces_.push_back({.data = std::unique_ptr<char[]>(new char[size]), .used = 0, .size = size});
    memory_bytes_ += size;
  }
  Piece& piece = pieces_.back();
  char* room = piece.data.get() + piece.used;
  piece.used += bytes;
  return room;
}

Status HeldMessages::add(uint32_t subtransaction, uint64_t place, char type, std::string_view rest) {
  Header header{
      .bytes = static_cast<uint32_t>(1 + rest.size()), .subtransaction = subtransaction, .place = place};
  if (rest.size() > limits::streamed_message_bytes_max) {
    TRY_VOID(move_to_disk());
    TRY_VOID(open_file());
    char start[sizeof header + 1];
    std::memcpy(start, &header, sizeof header);
    start[sizeof header] = type;
    TRY_VOID(write(start, sizeof start));
    return write(rest.data(), rest.size());
  }
  char* room = room_for(sizeof header + header.bytes);
  std::memcpy(room, &header, sizeof header);
  room[sizeof header] = type;
  std::memcpy(room + sizeof header + 1, rest.data(), rest.size());
  return {};
}

Status HeldMessages::open_file() {
  if (file_ >= 0) return {};
  std::error_code ignored;  // what follows says it better
  std::filesystem::create_directories(directory_, ignored);
  std::string name = (directory_ / "transaction-XXXXXX").string();
  file_ = mkostemp(name.data(), O_CLOEXEC);
  if (file_ < 0) return held_file_error(ErrorKind::limit, "no file can be made", directory_);
  ::unlink(name.c_str());
  return {};
}

Status HeldMessages::write(const char* data, size_t bytes) {
  while (bytes > 0) {
    ssize_t written = ::write(file_, data, bytes);
    if (written < 0) {
      if (errno == EINTR) continue;
      return held_file_error(ErrorKind::limit, "it cannot be written", directory_);
    }
    data += written;
    bytes -= static_cast<size_t>(written);
    disk_bytes_ += static_cast<uint64_t>(written);
  }
  return {};
}

Status HeldMessages::move_to_disk() {
  if (pieces_.empty()) return {};
  TRY_VOID(open_file());
  for (const Piece& piece : pieces_) TRY_VOID(write(piece.data.get(), piece.used));
  pieces_.clear();
  memory_bytes_ = 0;
  return {};
}

Status HeldMessages::read(const std::function<Status(const Message&)>& take) const {
  if (disk_bytes_ > 0) TRY_VOID(read_file(take));
  for (const Piece& piece : pieces_)
    for (size_t at = 0; at < piece.used;) {
      Header header;
      std::memcpy(&header, piece.data.get() + at, sizeof header);
      TRY_VOID(take({.subtransaction = header.subtransaction,
                     .place = header.place,
                     .payload = {piece.data.get() + at + sizeof header, header.bytes}}));
      at += sizeof header + header.bytes;
    }
  return {};
}

Status HeldMessages::read_file(const std::function<Status(const Message&)>& take) const {
  std::vector<char> buffer(limits::streamed_read_bytes);
  size_t begin = 0, end = 0;  // of what is in the buffer and not taken yet
  uint64_t position = 0;      // in the file, of what is read next
  // Until `bytes` are in the buffer; there are as many in the file.
  auto fill = [&](size_t bytes) -> Status {
    if (end - begin >= bytes) return {};
    std::memmove(buffer.data(), buffer.data() + begin, end - begin);
    end -= begin;
    begin = 0;
    if (buffer.size() < bytes) buffer.resize(bytes);
    while (end < bytes) {
      ssize_t count = ::pread(file_, buffer.data() + end, buffer.size() - end, static_cast<off_t>(position));
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) errno = EIO;
      if (count <= 0) return held_file_error(ErrorKind::internal, "it cannot be read", directory_);
      end += static_cast<size_t>(count);
      position += static_cast<uint64_t>(count);
    }
    return {};
  };
  while (position - (end - begin) < disk_bytes_) {
    Header header;
    TRY_VOID(fill(sizeof header));
    std::memcpy(&header, buffer.data() + begin, sizeof header);
    TRY_VOID(fill(sizeof header + header.bytes));
    begin += sizeof header;
    TRY_VOID(take({.subtransaction = header.subtransaction,
                   .place = header.place,
                   .payload = {buffer.data() + begin, header.bytes}}));
    begin += header.bytes;
  }
  return {};
}

}  // namespace tidemark::postgres
