/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subresources that are connections: exec, attach, portforward, proxy. Their requests are not negotiated; the
 * options in the query are admitted (operation CONNECT) and then the request is passed on. U: apiserver
 * pkg/endpoints/handlers/rest.go (ConnectResource), kubernetes pkg/registry/core/{pod,node,service}.
 */
#pragma once

#include "apiserver/proxy/proxy.h"
#include "apiserver/server_int.h"
#include "kube/kinds/values.h"

/* Whether the request is for one of them; the resource and the subresource are found. */
bool api_connect_takes(const api_request *r);
/* Answers it, now or later. */
void api_connect(api_request *r);

/* ---- one function per subresource: the request is admitted ---- */

typedef void api_connect_fn(api_request *r, yyjson_mut_val *options);

api_connect_fn api_connect_exec, api_connect_attach, api_connect_port_forward;
api_connect_fn api_connect_pod, api_connect_service, api_connect_node;

/* ---- what they share ---- */

/* The options of r's query by their schema: an object in `doc`; also those of a log. NULL: answered. */
yyjson_mut_val *api_query_options(api_request *r, yyjson_mut_doc *doc, const sp_schema *schema);

/* Answers with a plain error of upstream's: 500 without a reason. */
void api_reply_plain(api_request *r, sp_str message);
void api_reply_bad_request(api_request *r, sp_str message);

/* A stored object of the core group in r's arena; NULL: answered, with NotFound where there is none. */
yyjson_mut_val *api_connect_load(api_request *r, const char *plural, sp_str ns, sp_str name);

/* Where a node's kubelet is. */
typedef struct api_kubelet {
	sp_str host;    /* as the node names itself */
	sp_str port;    /* as text */
	sp_str address; /* "host:port" */
	sp_str scheme;
	sp_str ip; /* an address that is one, of the same node; may be empty */
} api_kubelet;
/* Texts are the tree's and the arena's. False: it has no address of a preferred type. */
bool api_kubelet_of(const api_server *s, sp_arena *a, yyjson_mut_val *node, api_kubelet *ret);
/* False: answered. */
bool api_kubelet_find(api_request *r, sp_str node, api_kubelet *ret);

/* The container that is meant, when it is in the pod; {NULL, 0}: answered. */
sp_str api_connect_container(api_request *r, yyjson_mut_val *pod, sp_str asked);

/* "[scheme:]name[:port]". False: it is not of that form. */
typedef struct api_proxy_id {
	sp_str scheme, name, port;
} api_proxy_id;
bool api_proxy_id_parse(sp_str id, api_proxy_id *ret);

/* "10.0.0.1:80", "[::1]:80". */
sp_str api_host_port(sp_arena *a, sp_str host, sp_str port);
/* Whether text is an address that may be proxied to. */
bool api_is_global_unicast(sp_str text);

/* exec and attach of a WebSocket client that speaks v5: the kubelet is asked by SPDY and all is translated.
 * U: apiserver pkg/util/proxy/streamtranslator.go. */
void api_remote_translate(api_request *r, const api_proxy_target *t, yyjson_mut_val *options);
/* Whether the client is one. */
bool api_remote_is_v5(const api_request *r);
