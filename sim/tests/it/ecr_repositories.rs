//! Repositories, their settings and the lists (aws-reference 2.5, 8).

use serde_json::{Value, json};

use crate::client::{world, world_with};

#[tokio::test]
async fn a_repository_is_created_once_and_deleted_when_empty() {
    let w = world().await;
    let tags = json!([{"Key": "team", "Value": "red"}]);
    let made = w.did("CreateRepository", json!({"repositoryName": "team/app", "tags": tags})).await["repository"].clone();
    assert_eq!(made["repositoryArn"], "arn:aws:ecr:ap-south-1:123456789012:repository/team/app");
    assert_eq!(made["repositoryUri"], "123456789012.dkr.ecr.ap-south-1.amazonaws.com/team/app");
    assert_eq!((&made["imageTagMutability"], &made["imageScanningConfiguration"]["scanOnPush"]), (&json!("MUTABLE"), &json!(false)));
    let shown = w.did("DescribeRepositories", json!({"repositoryNames": ["team/app"]})).await;
    assert_eq!(shown["repositories"], json!([made]));
    w.refuses("CreateRepository", json!({"repositoryName": "team/app"}), "RepositoryAlreadyExistsException").await;
    for odd in ["x", "Upper", "two..dots", "end-", "/lead", "a///b", "a._b"] {
        w.refuses("CreateRepository", json!({"repositoryName": odd}), "InvalidParameterException").await;
    }
    for fine in ["a__b", "a--b", "0.1/x_y"] {
        w.did("CreateRepository", json!({"repositoryName": fine})).await;
    }
    let kms = json!({"repositoryName": "locked", "encryptionConfiguration": {"encryptionType": "KMS"}});
    w.refuses("CreateRepository", kms, "KmsException").await;
    w.refuses("DeleteRepository", json!({}), "RepositoryNotEmptyException").await;
    w.refuses("DeleteRepository", json!({"force": "yes"}), "SerializationException").await;
    w.did("DeleteRepository", json!({"repositoryName": "team/app"})).await;
    w.refuses("DescribeRepositories", json!({"repositoryNames": ["team/app"]}), "RepositoryNotFoundException").await;
    w.did("DeleteRepository", json!({"force": true})).await;
    w.refuses("DescribeImages", json!({}), "RepositoryNotFoundException").await;
}

#[tokio::test]
async fn exclusion_filters_belong_to_their_modes() {
    let w = world().await;
    let filter = |f: &str| json!({"filterType": "WILDCARD", "filter": f});
    for odd in [
        json!({"imageTagMutability": "FROZEN"}),
        json!({}),
        json!({"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}),
        json!({"imageTagMutability": "IMMUTABLE", "imageTagMutabilityExclusionFilters": [filter("a*")]}),
        json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": vec![filter("a*"); 6]}),
        json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": [filter("a b")]}),
        json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": [{"filterType": "REGEX", "filter": "a"}]}),
    ] {
        w.refuses("PutImageTagMutability", odd, "InvalidParameterException").await;
    }
    let shown = w.did("DescribeRepositories", json!({})).await["repositories"][0].clone();
    assert_eq!((&shown["imageTagMutability"], shown.get("imageTagMutabilityExclusionFilters")), (&json!("MUTABLE"), None));
}

#[tokio::test]
async fn a_repository_has_tags_of_its_own() {
    let w = world().await;
    let arn = "arn:aws:ecr:ap-south-1:123456789012:repository/stateless-app";
    let with = |more: Value| {
        let mut body = json!({"resourceArn": arn});
        body.as_object_mut().expect("object").extend(more.as_object().cloned().unwrap_or_default());
        body
    };
    let tag = |k: &str, v: &str| json!({"Key": k, "Value": v});
    w.did("TagResource", with(json!({"tags": [tag("a", "1"), tag("b", "2")]}))).await;
    w.did("TagResource", with(json!({"tags": [tag("b", "3")]}))).await;
    assert_eq!(w.did("ListTagsForResource", with(json!({}))).await["tags"], json!([tag("a", "1"), tag("b", "3")]));
    w.did("UntagResource", with(json!({"tagKeys": ["a", "none"]}))).await;
    let many: Vec<Value> = (0..50).map(|n| tag(&format!("k{n}"), "")).collect();
    w.refuses("TagResource", with(json!({"tags": many})), "TooManyTagsException").await;
    w.refuses("TagResource", with(json!({"tags": [tag("aws:x", "")]})), "InvalidTagParameterException").await;
    w.refuses("TagResource", with(json!({"tags": [tag("x", "1"), tag("x", "2")]})), "InvalidTagParameterException").await;
    assert_eq!(w.did("ListTagsForResource", with(json!({}))).await["tags"], json!([tag("b", "3")]));
    w.refuses("ListTagsForResource", json!({"resourceArn": "stateless-app"}), "InvalidParameterException").await;
    w.refuses("ListTagsForResource", json!({"resourceArn": format!("{arn}x")}), "RepositoryNotFoundException").await;
}

#[tokio::test]
async fn a_repository_policy_is_kept_as_it_was_set() {
    let w = world().await;
    w.refuses("GetRepositoryPolicy", json!({}), "RepositoryPolicyNotFoundException").await;
    let statement = |effect: &str, action: &str| json!({"Sid": "x", "Effect": effect, "Principal": "*", "Action": action});
    let policy = |statement: Value| json!({"policyText": json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()});
    for odd in [
        json!({"policyText": "{"}),
        json!({"policyText": "{\"Version\": \"2012-10-17\"}"}),
        policy(statement("Maybe", "ecr:BatchGetImage")),
        policy(statement("Allow", "s3:GetObject")),
        policy(json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:*", "Resource": "*"})),
        policy(statement("Deny", "ecr:*")),
    ] {
        w.refuses("SetRepositoryPolicy", odd, "InvalidParameterException").await;
    }
    let mut locked = policy(statement("Deny", "ecr:*"));
    locked["force"] = true.into();
    w.did("SetRepositoryPolicy", locked).await;
    let open = policy(statement("Allow", "ecr:BatchGetImage"));
    w.did("SetRepositoryPolicy", open.clone()).await;
    assert_eq!(w.did("GetRepositoryPolicy", json!({})).await["policyText"], open["policyText"]);
    assert_eq!(w.did("DeleteRepositoryPolicy", json!({})).await["policyText"], open["policyText"]);
    w.refuses("DeleteRepositoryPolicy", json!({}), "RepositoryPolicyNotFoundException").await;
}

#[tokio::test]
async fn the_registry_is_this_accounts() {
    let w = world().await;
    let got = w.did("DescribeRegistry", json!({})).await;
    assert_eq!(got, json!({"registryId": "123456789012", "replicationConfiguration": {"rules": []}}));
    let got = w.did("GetRegistryScanningConfiguration", json!({})).await;
    assert_eq!(got["scanningConfiguration"], json!({"scanType": "BASIC", "rules": []}));
    let other = json!({"registryId": "999999999999"});
    w.refuses("DescribeImages", other.clone(), "RepositoryNotFoundException").await;
    w.refuses("DescribeRepositories", other, "AccessDeniedException").await;
    w.refuses("DescribeImages", json!({"registryId": "mine"}), "InvalidParameterException").await;
    let got = w.did("GetAuthorizationToken", json!({"registryIds": ["999999999999"]})).await;
    assert_eq!(got["authorizationData"][0]["proxyEndpoint"], "https://999999999999.dkr.ecr.ap-south-1.amazonaws.com");
}

#[tokio::test]
async fn lists_are_unsorted_and_stable() {
    let mut sorted_everywhere = true;
    for seed in 1..=4 {
        let w = world_with(seed, |_| {}).await;
        for n in 0..5 {
            w.push(&format!("content {n}"), Some(&format!("t{n}"))).await;
        }
        let list = async |body: Value| w.did("ListImages", body).await;
        let whole = list(json!({})).await["imageIds"].as_array().cloned().unwrap_or_default();
        assert_eq!(whole.len(), 10, "four seeded images, one of which has two tags, and five");
        let tags: Vec<&str> = whole.iter().filter_map(|r| r["imageTag"].as_str()).filter(|t| t.starts_with('t')).collect();
        sorted_everywhere &= tags.is_sorted();
        let (mut turned, mut token) = (Vec::new(), Value::Null);
        for _ in 0..10 {
            let page = list(json!({"maxResults": 1, "nextToken": token})).await;
            turned.extend(page["imageIds"].as_array().cloned().unwrap_or_default());
            token = page["nextToken"].clone();
        }
        assert_eq!((turned, token), (whole, Value::Null), "pages keep the order");
    }
    assert!(!sorted_everywhere, "no order to lean on");
}

#[tokio::test]
async fn selectors_of_a_list_are_honoured_or_refused() {
    let w = world().await;
    let (tagged, bare) = (w.push("one", Some("one")).await, w.push("two", None).await);
    let ids = json!([{"imageDigest": tagged}, {"imageDigest": bare}]);
    let named = w.did("DescribeImages", json!({"imageIds": ids, "filter": {"tagStatus": "UNTAGGED"}})).await;
    assert_eq!(named["imageDetails"].as_array().map(Vec::len), Some(1));
    assert_eq!(named["imageDetails"][0]["imageDigest"], bare.as_str());
    for odd in [
        json!({"imageIds": []}),
        json!({"imageIds": [{}]}),
        json!({"imageIds": [{"imageDigest": "short"}]}),
        json!({"imageIds": vec![json!({"imageTag": "one"}); 101]}),
        json!({"maxResults": 0}),
        json!({"maxResults": 1001}),
        json!({"nextToken": "mine"}),
        json!({"repositoryName": "Not A Name"}),
    ] {
        w.refuses("DescribeImages", odd, "InvalidParameterException").await;
    }
    for odd in [json!({"imageIds": "one"}), json!({"maxResults": "5"}), json!({"filter": 1}), json!({"repositoryName": 5})] {
        w.refuses("DescribeImages", odd, "SerializationException").await;
    }
    let missing = json!({"imageIds": [{"imageTag": "one"}, {"imageTag": "none"}]});
    w.refuses("DescribeImages", missing, "ImageNotFoundException").await;
}
