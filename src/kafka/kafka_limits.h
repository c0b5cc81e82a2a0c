// The bounds of this room, each with its reason. Units are the last word of the name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::kafka::limits {

// Messages taken from the client at a time: enough that taking them costs nothing beside decoding them, few
// enough that a stop is noticed within milliseconds.
constexpr size_t batch_messages_max = 2'048;
// Bytes the client fetches ahead, over all partitions: a second of the fastest decoding, far below the memory
// bound of the process.
constexpr int queued_kilobytes_max = 16'384;
// One message. Larger ones are refused by brokers unless they are told otherwise (message.max.bytes).
constexpr int message_bytes_max = 64 << 20;
// A question about topics or positions; brokers that are up answer in milliseconds.
constexpr std::chrono::milliseconds request_timeout{10'000};
// Whether a broker answers again.
constexpr std::chrono::milliseconds probe_timeout{500};
// Topics and partitions that are new are found this often.
constexpr std::chrono::milliseconds metadata_every{10'000};
// Partitions one source may have: their positions are written with each cut, some 40 bytes each.
constexpr size_t partitions_max = 2'000;
// Messages of a topic that its columns are inferred from, and how long they are waited for.
constexpr size_t sample_messages_max = 1'000;
constexpr std::chrono::milliseconds sample_timeout{5'000};
// Columns of one table.
constexpr size_t columns_max = 2'000;
// Schemas of a topic that are remembered by their text: old and new ones mix while producers are exchanged.
constexpr size_t schemas_max = 16;
// Documents in one NDJSON message.
constexpr size_t documents_max = 100'000;

}  // namespace tidemark::kafka::limits
