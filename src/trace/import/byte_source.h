// The bytes of one file, decompressed on the way if it is compressed with zstd, xz, gzip, lz4 or
// snappy, or is a zip archive, whose members are taken one after the other (told by its first
// bytes, never by its name).
//
// Streams: holds one input buffer and the decompressor's state, whatever the file's length. Files
// of several compressed members one after the other read as one. The descriptor of a regular file
// can be given up between reads, so that thousands of sources can be kept without as many open
// files. Errors: Error naming the path and the byte offset in the file as stored. Not thread-safe.
#ifndef MMUSIM_TRACE_IMPORT_BYTE_SOURCE_H_
#define MMUSIM_TRACE_IMPORT_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "trace/import/decompressors.h"
#include "trace/import/zip_members.h"

namespace mmusim::trace {

class ByteSource : private StoredBytes {
 public:
  explicit ByteSource(std::string path);
  ~ByteSource() override;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Up to `bytes` bytes; 0 only at the end.
  size_t read(char* to, size_t bytes);
  // As many as there are, up to `bytes`.
  size_t read_full(char* to, size_t bytes);

  // Closes the descriptor if the file can be opened again at the same place; read() does so by
  // itself.
  void release();
  [[nodiscard]] bool seekable() const { return seekable_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Of the file as stored; 0 where it has no size, as a pipe.
  [[nodiscard]] uint64_t stored_bytes() const;
  [[nodiscard]] uint64_t stored_bytes_read() const { return stored_read_; }
  [[nodiscard]] bool compressed() const { return decompressor_ != nullptr || zip_ != nullptr; }

 private:
  void open();
  size_t read_stored(char* to, size_t bytes);
  void fill();
  size_t read_plain(char* to, size_t bytes);
  size_t read_zip(char* to, size_t bytes);
  [[noreturn]] void fail(uint64_t offset, const std::string& what) const;

  // Of StoredBytes, for the archive.
  size_t read_some(char* to, size_t bytes) override;
  [[nodiscard]] bool can_seek() const override { return seekable_; }
  uint64_t size() override;
  void seek(uint64_t place) override;
  [[nodiscard]] uint64_t place() const override { return offset_; }

  std::string path_;
  int fd_ = -1;
  bool seekable_ = false;
  uint64_t offset_ = 0;       // of the next byte to read from the file
  uint64_t stored_read_ = 0;  // in all; an archive's end is read before its beginning
  bool end_of_file_ = false;
  std::vector<char> input_;  // stored bytes [input_begin_, input_end_) not yet used
  size_t input_begin_ = 0;
  size_t input_end_ = 0;
  bool at_member_end_ = true;
  std::unique_ptr<Decompressor> decompressor_;  // null: plain, or an archive
  std::unique_ptr<ZipMembers> zip_;
};

// How the file's content begins, decompressed; nothing for a directory. Errors: Error when it
// cannot be read.
std::string start_of_content(const std::string& path, size_t bytes);

// Whether what it decompresses to is compressed again. Errors: Error when it cannot be read.
bool is_compressed_twice(const std::string& path);

// "trace.gz" of "a/trace.gz": what a program is called of which only a file's name is known.
std::string base_name(const std::string& path);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_IMPORT_BYTE_SOURCE_H_
