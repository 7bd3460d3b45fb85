#include "trace/page_packer.h"

#include "trace/compressor.h"

namespace mmusim::trace {

struct PagePacker::Compressor : trace::Compressor {};

PagePacker::PagePacker(unsigned percent, int level)
    : percent_(percent), level_(level), compressor_(std::make_unique<Compressor>()) {}
PagePacker::~PagePacker() = default;

void PagePacker::add(const PageStreams& streams, ChunkHeader& header, ByteBuffer& payload) {
  if (header.totals.blocks == 0 || streams.too_large) return;
  const uint64_t most = header.columns_bytes() * percent_ / 100 * 2;
  const size_t begin = payload.size();
  size_t good = begin;  // up to here it is within that
  std::array<StreamSizes, kPageStreams> sizes{};
  for (size_t i = 0; i < (streams.returns ? kPageStreams : kPageStreams - 1); ++i) {
    sizes[i] = compressor_->append(streams.streams[i].bytes(), static_cast<PageStream>(i), level_,
                                   payload);
    if (payload.size() - begin > most) break;
    if (i == static_cast<size_t>(PageStream::Runs)) continue;  // means nothing alone
    good = payload.size();
    std::copy_n(sizes.begin(), i + 1, header.page_streams.begin());
  }
  payload.set_end(payload.data() + good);
  if (good != begin) header.digests = streams.digests;
}

void PageAllowance::trim(ChunkHeader& header, ByteBuffer& payload) {
  columns_ += header.columns_bytes();
  const uint64_t room = columns_ * percent_ / 100 - pages_;
  auto& streams = header.page_streams;
  auto& returns = streams[static_cast<size_t>(PageStream::Returns)];
  const auto taken = [&] { return header.payload_bytes() - header.columns_bytes(); };
  if (taken() > room) returns = {};
  if (taken() > room) {
    streams = {};
    header.digests = {};
  }
  pages_ += taken();
  payload.set_end(payload.data() + header.payload_bytes());
}

}  // namespace mmusim::trace
