#include "ingest/spool_format.h"

#include "ingest/spool_limits.h"

#include <boost/crc.hpp>
#include <cstring>

namespace tidemark::ingest {
namespace {

constexpr std::string_view magic = "TMR1";

uint32_t number_at(std::string_view bytes, size_t offset) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

uint32_t checksum(std::string_view identity, uint64_t position, std::string_view payload) {
  // CRC-32C, the polynomial of storage: it finds what CRC-32 finds and is the one processors have.
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  auto length = static_cast<uint32_t>(payload.size());
  crc.process_bytes(identity.data(), identity.size());
  crc.process_bytes(&position, sizeof position);
  crc.process_bytes(&length, sizeof length);
  crc.process_bytes(payload.data(), payload.size());
  return crc.checksum();
}

}  // namespace

void append_spool_record(std::string& out, std::string_view identity, uint64_t position,
                         std::string_view payload) {
  auto length = static_cast<uint32_t>(payload.size());
  uint32_t sum = checksum(identity, position, payload);
  out.append(magic);
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  out.append(payload);
}

std::optional<size_t> spool_record_at(std::string_view bytes, std::string_view identity, uint64_t position) {
  if (bytes.size() < spool_header_bytes || !bytes.starts_with(magic)) return std::nullopt;
  size_t length = number_at(bytes, 4);
  if (length > limits::spool_record_bytes_max || length > bytes.size() - spool_header_bytes)
    return std::nullopt;
  if (checksum(identity, position, bytes.substr(spool_header_bytes, length)) != number_at(bytes, 8))
    return std::nullopt;
  return spool_header_bytes + length;
}

std::optional<size_t> next_spool_record(std::string_view bytes, std::string_view identity,
                                        uint64_t position) {
  for (size_t at = bytes.find(magic, 1); at != std::string_view::npos; at = bytes.find(magic, at + 1))
    if (spool_record_at(bytes.substr(at), identity, position + at)) return at;
  return std::nullopt;
}

}  // namespace tidemark::ingest
