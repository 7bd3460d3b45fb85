#include "trace/import/zip_members.h"

#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <exception>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mmusim::trace {

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
    return impl.guarded(
        [&] { return impl.stored.read_some(impl.block.data(), impl.block.size()); });
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

  // Of libarchive's verdict.
  void check(la_int64_t result) {
    if (thrown) std::rethrow_exception(std::exchange(thrown, nullptr));
    if (result >= ARCHIVE_OK) return;
    const char* const why = archive_error_string(reader);
    throw Problem{fmt::format("damaged zip archive{}: {}",
                              member.empty() ? "" : fmt::format(", member '{}'", member),
                              why == nullptr ? "it cannot be read" : why)};
  }

  StoredBytes& stored;
  std::vector<char> block;
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
    zip.ended = result == ARCHIVE_EOF;
    if (zip.ended) break;
    zip.check(result);
    const char* const name = archive_entry_pathname(entry);
    zip.member = name == nullptr ? "" : name;
    zip.in_member = archive_entry_filetype(entry) == AE_IFREG;
  }
  return 0;
}

bool is_zip(std::string_view start) {
  using namespace std::string_view_literals;
  return start.starts_with("PK\x03\x04"sv) || start.starts_with("PK\x05\x06"sv);
}

}  // namespace mmusim::trace
