#include "trace/import/zip_members.h"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mmusim::trace {
namespace {

// The record an archive ends with: where in the file its list of members is, and, last, how long
// the comment is that follows. Little-endian.
constexpr size_t kEndBytes = 22;
constexpr size_t kMostComment = 65535;
constexpr std::string_view kEndMagic("PK\x05\x06", 4);
constexpr uint64_t kElsewhere = 0xffffffff;  // ... in a record of zip64

uint64_t number_at(std::string_view text, size_t at, size_t bytes) {
  uint64_t number = 0;
  for (size_t i = bytes; i-- > 0;)
    number = number << 8 | static_cast<uint8_t>(text[at + i]);
  return number;
}

}  // namespace

// libarchive is C: what the source throws is kept here across it.
struct ZipMembers::Impl {
  explicit Impl(StoredBytes& source) : stored(source), block(size_t{64} << 10) {
    if (reader == nullptr) throw Error("zip", "not enough memory for the decompressor");
    archive_read_support_format_zip(reader);
    archive_read_set_callback_data(reader, this);
    archive_read_set_read_callback(reader, read_stored);
    if (stored.can_seek()) archive_read_set_seek_callback(reader, seek_stored);
  }
  ~Impl() { archive_read_free(reader); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  template <class Work>
  la_int64_t guarded(Work work) {
    try {
      return static_cast<la_int64_t>(work());
    } catch (...) {
      thrown = std::current_exception();
      archive_set_error(reader, EIO, "cannot read");
      return ARCHIVE_FATAL;
    }
  }
  static la_ssize_t read_stored(archive*, void* self, const void** out) {
    Impl& impl = *static_cast<Impl*>(self);
    *out = impl.block.data();
    return impl.guarded([&] { return impl.read_block(); });
  }
  // What cannot be looked at again is kept, as much as the archive's end may be.
  size_t read_block() {
    const size_t got = stored.read_some(block.data(), block.size());
    if (!stored.can_seek()) {
      tail.append(block.data(), got);
      if (tail.size() > 2 * kMostTail) tail.erase(0, tail.size() - kMostTail);
    }
    return got;
  }
  static la_int64_t seek_stored(archive*, void* self, la_int64_t offset, int whence) {
    Impl& impl = *static_cast<Impl*>(self);
    return impl.guarded([&] {
      uint64_t to = static_cast<uint64_t>(offset);
      if (whence == SEEK_END) to += impl.stored.size();
      if (whence == SEEK_CUR) to += impl.stored.place();
      impl.stored.seek(to);
      return to;
    });
  }

  // The archive must be the whole file: libarchive is content with one somewhere in it.
  void check_end() {
    if (stored.can_seek()) {
      const uint64_t size = stored.size();
      stored.seek(size - std::min<uint64_t>(size, kMostTail));
      while (const size_t got = stored.read_some(block.data(), block.size()))
        tail.append(block.data(), got);
    } else {
      while (read_block() != 0) {
      }
    }
    const uint64_t begin = stored.place() - tail.size();
    for (size_t at = tail.rfind(kEndMagic); at != std::string::npos;
         at = at == 0 ? std::string::npos : tail.rfind(kEndMagic, at - 1)) {
      if (tail.size() - at < kEndBytes) continue;
      const uint64_t bytes = number_at(tail, at + 12, 4);
      const uint64_t list = number_at(tail, at + 16, 4);
      const size_t end = at + kEndBytes + number_at(tail, at + 20, 2);
      if (end > tail.size()) continue;
      if (end < tail.size())
        throw Problem{"something that is not the zip archive follows", begin + end};
      if (list != kElsewhere && bytes != kElsewhere && list + bytes != begin + at)
        throw Problem{"a zip archive that does not begin where the file does", 0};
      return;
    }
    throw Problem{"damaged zip archive: its end is missing", stored.place()};
  }

  // Of libarchive's verdict.
  void check(la_int64_t result) {
    if (thrown) std::rethrow_exception(std::exchange(thrown, nullptr));
    if (result >= ARCHIVE_OK) return;
    const char* const told = archive_error_string(reader);
    std::string_view why = told == nullptr ? "it cannot be read" : told;
    while (why.ends_with('\n'))  // some do
      why.remove_suffix(1);
    throw Problem{fmt::format("damaged zip archive{}: {}",
                              member.empty() ? "" : fmt::format(", member '{}'", member), why),
                  stored.place()};
  }

  static constexpr size_t kMostTail = kEndBytes + kMostComment;

  StoredBytes& stored;
  std::vector<char> block;
  std::string tail;  // the last bytes there were
  archive* reader = archive_read_new();
  std::exception_ptr thrown;
  std::string member;
  bool opened = false;
  bool in_member = false;
  bool ended = false;
};

ZipMembers::ZipMembers(StoredBytes& stored) : impl_(std::make_unique<Impl>(stored)) {}
ZipMembers::~ZipMembers() = default;

size_t ZipMembers::read(char* to, size_t bytes) {
  Impl& zip = *impl_;
  if (!zip.opened) {
    zip.opened = true;
    zip.check(archive_read_open1(zip.reader));
  }
  while (!zip.ended) {
    if (zip.in_member) {
      const la_ssize_t got = archive_read_data(zip.reader, to, bytes);
      zip.check(got);
      if (got > 0) return static_cast<size_t>(got);
      zip.in_member = false;
    }
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(zip.reader, &entry);
    zip.check(result);
    if (result == ARCHIVE_EOF) {
      zip.check_end();
      zip.ended = true;
      break;
    }
    const char* const name = archive_entry_pathname(entry);
    zip.member = name == nullptr ? "" : name;
    zip.in_member = archive_entry_filetype(entry) == AE_IFREG;
  }
  return 0;
}

bool is_zip(std::string_view start) {
  using namespace std::string_view_literals;
  return start.starts_with("PK\x03\x04"sv) || start.starts_with(kEndMagic);
}

}  // namespace mmusim::trace
