/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said on the socket of the keys process, as protobuf over gRPC. Tokens by upstream's protocol, so
 * that a kube-apiserver can use our keys and our API server any signer:
 *
 *   v1.ExternalJWTSigner/Sign, /FetchKeys, /Metadata     (k8s.io/externaljwt/apis/v1)
 *
 * Certificates by one message of ours:
 *
 *   service Certificates { rpc Sign(SignRequest) returns (SignResponse); }      package sampan.keys.v1
 *   message SignRequest  { string request = 1;           // PEM, PKCS #10
 *                          string signer_name = 2;       // "kubernetes.io/kubelet-serving"
 *                          repeated string usages = 3;   // as in certificates.k8s.io/v1
 *                          int64 duration_seconds = 4; } // 0: a year
 *   message SignResponse { string certificate = 1; }     // PEM
 */
#pragma once

#include "base/pb_struct.h"

#define KEYS_TOKENS_SERVICE SP_STR("v1.ExternalJWTSigner")
#define KEYS_CERTS_SERVICE SP_STR("sampan.keys.v1.Certificates")
#define KEYS_MESSAGE_BYTES ((size_t)1 << 20)

typedef struct keys_sign_request {
	sp_str claims;
} keys_sign_request;

typedef struct keys_sign_response {
	sp_str header, signature;
} keys_sign_response;

typedef struct keys_empty {
	bool unused;
} keys_empty;

typedef struct keys_public_key {
	sp_str id, der; /* SubjectPublicKeyInfo */
	bool hidden;
} keys_public_key;

typedef struct keys_timestamp {
	int64_t seconds;
	int32_t nanos;
} keys_timestamp;

typedef struct keys_fetch_response {
	SP_PB_LIST(keys_public_key) keys;
	keys_timestamp *at;
	int64_t refresh_s;
} keys_fetch_response;

typedef struct keys_metadata_response {
	int64_t max_expiration_s;
} keys_metadata_response;

typedef struct keys_cert_request {
	sp_str request, signer;
	SP_PB_LIST(sp_str) usages;
	int64_t duration_s;
} keys_cert_request;

typedef struct keys_cert_response {
	sp_str certificate;
} keys_cert_response;

extern const sp_pb_message keys_sign_request_message, keys_sign_response_message, keys_empty_message,
	keys_fetch_response_message, keys_metadata_response_message, keys_cert_request_message,
	keys_cert_response_message;
