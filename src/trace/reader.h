// Reads a trace container (.mmt) from a file, a batch at a time. Format: src/trace/README.md.
//
// Memory is bounded by the largest chunk (see README for its limit), whatever the length of the
// trace. Every count, length and offset in the file is checked before use: a hostile file gives an
// Error naming file and byte offset, never a crash, a hang or an allocation beyond the limits. Not
// thread-safe; use one Reader per thread.
#ifndef MMUSIM_TRACE_READER_H_
#define MMUSIM_TRACE_READER_H_

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trace/record.h"

namespace mmusim::trace {

struct ReaderOptions {
  // Accept a file without index and trailer (a torn recording): read up to its last whole chunk.
  // Without it such a file is an Error that says so.
  bool accept_torn = false;
  // Batches of columns may be decoded, and the next chunk's columns be decompressed, by threads of
  // the reader's own, while earlier ones are used. Memory: another chunk's, and some batches'.
  // Batches and errors are the same.
  bool read_ahead = false;
  // Of columns, what the batches of a chunk point to as their tables lives until the second chunk
  // behind it is begun, or prepare_next() called in the next one, for who replays some of one while
  // the next is decoded. Memory: another chunk's. Nothing is decompressed beforehand but by that.
  bool keeps_tables = false;
};

// Which of a chunk's streams batches come from.
enum class References : uint8_t {
  All,   // the columns: blocks with their accesses
  Any,   // page streams: what can matter to a first level of any form
  Sets,  // ... to one whose sets are told apart by kPageSets
};

// A chunk as it stands in the file (stored_chunk.h).
struct StoredChunk;

struct ChunkInfo {
  uint64_t offset = 0;  // of the chunk in the file
  uint64_t compressed_bytes = 0;
  uint64_t raw_bytes = 0;
  Totals totals;
};

// How many chunks have page streams: for first levels with sets at least, and for any.
struct PageStreamChunks {
  uint64_t for_sets = 0;
  uint64_t for_any = 0;
};

class Reader {
 public:
  // Opens and checks magic, version, header and (unless torn) index. Errors: Error naming path and
  // byte offset.
  explicit Reader(std::string path, const ReaderOptions& options = {});
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  [[nodiscard]] const Header& header() const;

  // The next batch; false at the end of the trace. The batch and all it points to live until the
  // next call. Errors: Error naming path and byte offset of a damaged chunk.
  bool next(Batch& batch);

  // --- Chunk by chunk, for who wants some of a chunk's streams only, or several one after the
  // other. Goes to the next chunk; false at the end of the trace.
  bool next_chunk();
  // What begin(which) would give of it: that, or all where the chunk has not got it; and its
  // totals.
  [[nodiscard]] References offers(References which) const;
  [[nodiscard]] const Totals& chunk_totals() const;
  // Begins the chunk, or begins it again. Page streams that are not known to say what the columns
  // say (compared_chunks.h) are compared with them first. Errors: those of a damaged chunk, and
  // Error where they are at odds.
  void begin(References which);
  // Of a chunk that is not begun: that comparing alone, for who has what its page streams say from
  // elsewhere. Errors: as begin().
  void believe_page_streams();
  // With keeps_tables: does some of what to begin the next chunk's columns will take, some
  // milliseconds; false: there is no more to do. A thread may do so while another one takes batches
  // of this chunk. What is wrong with the next one is said by its begin(). REQUIRES: this one was
  // begun, of columns.
  bool prepare_next();
  // Instead of begin(), or where that has failed: passes the chunk, unread.
  void pass();
  // Its next batch; false at its end.
  bool next_of_chunk(Batch& batch);
  // How many chunks were begun.
  [[nodiscard]] uint64_t chunks_read() const;
  [[nodiscard]] const std::string& path() const;
  // Of a chunk whose page streams are being read: the columns beside them, from the chunk's
  // beginning, batch by batch; events are passed over. False at its end. Such a batch lives until
  // the next call; next_of_chunk() may be called between. REQUIRES: it was begun, of page streams.
  bool next_columns(Batch& batch);
  // Instead of begin(): compares the chunk's page streams with its columns, if it has any, and
  // passes it. Errors: as begin().
  void compare_page_streams();
  // Instead of next(): the next chunk, whole. It lives until the next call.
  bool next_stored(StoredChunk& chunk);

  // Passes over whole chunks, unread, as long as all they hold, their events too, is numbered below
  // `instruction`: how many instructions these are. 0 for a torn file, which has no index.
  // REQUIRES: next() was not called.
  uint64_t skip_to(uint64_t instruction);

  // Of the whole file, from the index; nothing for a torn file, whose totals are known only once
  // read.
  [[nodiscard]] std::optional<Totals> totals() const;
  [[nodiscard]] const std::vector<ChunkInfo>& chunks()
      const;  // found so far; all of them if the index is there
  [[nodiscard]] bool torn() const;
  // Of chunks(): looks at the header of each.
  [[nodiscard]] PageStreamChunks page_stream_chunks() const;

  // For progress: bytes of the file consumed so far, and its size.
  [[nodiscard]] uint64_t position() const;
  [[nodiscard]] uint64_t file_bytes() const;

  // Identity of the content: XXH3-128 over the chunk checksums and header, 32 hex digits. Equal for
  // equal content.
  [[nodiscard]] std::string content_hash() const;
  // Which trace it is, for people: "trace HASH", or "a torn trace".
  [[nodiscard]] std::string identity() const {
    return torn() ? "a torn trace" : "trace " + content_hash();
  }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_READER_H_
