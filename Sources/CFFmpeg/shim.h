#pragma once
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/crc.h>
#include <libavutil/error.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/mathematics.h>
#include <libavutil/opt.h>
#include <libavutil/parseutils.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>

// Macros that the importer does not see, as typed constants and functions.
static const int64_t MR_NOPTS = (int64_t)UINT64_C(0x8000000000000000);
static const int MR_EOF = AVERROR_EOF;
static const int MR_AGAIN = AVERROR(EAGAIN);
static const int MR_INVALIDDATA = AVERROR_INVALIDDATA;
static const int MR_EINVAL = AVERROR(EINVAL);
static const int MR_ENOMEM = AVERROR(ENOMEM);
static const int MR_ENOENT = AVERROR(ENOENT);

// The quiet default: only errors, and only to standard error.
static inline void mr_log_errors_only(void) { av_log_set_level(AV_LOG_ERROR); }
static inline void mr_log_nothing(void) { av_log_set_level(AV_LOG_QUIET); }
// avcodec_get_name and friends return what the importer takes as nullable; these never are.
static inline const char *mr_codec_name(enum AVCodecID id) { return avcodec_get_name(id); }
