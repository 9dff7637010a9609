/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content negotiation: which encoding and which shape of an object a client gets, by its Accept header, and
 * what a request body is, by its Content-Type. U: k8s.io/apiserver pkg/endpoints/handlers/negotiation.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "base/url.h"

typedef enum api_media { API_MEDIA_JSON, API_MEDIA_YAML, API_MEDIA_PROTOBUF, API_MEDIA_COUNT_ } api_media;

#define API_MEDIA_BIT(m) (1u << (m))
#define API_MEDIA_ALL ((1u << API_MEDIA_COUNT_) - 1)

/* "application/json" …, by api_media. */
extern const sp_str api_media_types[API_MEDIA_COUNT_];
sp_str api_media_type(api_media m);

/* The shape asked for by `as`, `g` and `v` of a media type. */
typedef enum api_shape {
	API_SHAPE_OBJECT,        /* as it is */
	API_SHAPE_TABLE,         /* meta.k8s.io Table, v1 or v1beta1 */
	API_SHAPE_METADATA,      /* PartialObjectMetadata */
	API_SHAPE_METADATA_LIST, /* PartialObjectMetadataList */
	API_SHAPE_DISCOVERY,     /* apidiscovery.k8s.io/v2 APIGroupDiscoveryList */
	API_SHAPE_COUNT_,
} api_shape;

typedef struct api_output {
	api_media media;
	api_shape shape;
	bool v1beta1; /* of Table and PartialObjectMetadata */
	bool pretty;
} api_output;

typedef struct api_output_rules {
	uint32_t media;  /* API_MEDIA_BIT … of what the endpoint can write */
	uint32_t shapes; /* 1u << API_SHAPE_… that it can make besides the object itself */
	bool stream;     /* a watch: "stream=watch" is understood */
} api_output_rules;

#define API_ACCEPT_CLAUSES_MAX 64u

/*
 * The best clause of the header that the rules can serve; without a header JSON. Clauses with a shape that is
 * not known or not allowed are passed over. False: nothing fits, answer 406. Clauses beyond
 * API_ACCEPT_CLAUSES_MAX are not looked at.
 */
bool api_negotiate(sp_str accept, const api_output_rules *rules, api_output *ret);

/* Whether the text is to be indented for people: the query's `pretty`, or a browser's, curl's or wget's
 * User-Agent. */
bool api_wants_pretty(const sp_url_query *query, sp_str user_agent);

/* The medium of a request body among `media`; an empty header is JSON. False: unknown or malformed, answer
 * 415. */
bool api_content_type(sp_str header, uint32_t media, api_media *ret);

/* The type and subtype of a Content-Type without its parameters, and true when it is well formed. */
bool api_media_essence(sp_str header, sp_str *ret);

/* "the body of the request was in an unknown format - accepted media types include: …" and "only the
 * following media types are accepted: …", appended to a text of at least API_MEDIA_TEXT_BYTES. */
#define API_MEDIA_TEXT_BYTES 256
sp_str api_media_list(char text[API_MEDIA_TEXT_BYTES], uint32_t media, bool stream);
