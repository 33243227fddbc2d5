{#- Written by `python -m pipelines.feeds.staging` from codes.yml; not to be edited. -#}
{#- The codes of a code set. -#}
{% macro codes(name) -%}
    {{ return({
        'stage': ["primary", "junior", "senior", "nine_year", "secondary", "twelve_year"],
        'grade': [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        'locale': ["urban", "town", "rural"],
        'ownership': ["public", "private"],
        'subject': ["chinese", "mathematics", "english", "politics", "history", "geography", "physics", "chemistry", "biology", "science", "music", "art", "pe", "it", "labour"],
        'gender': ["male", "female"],
        'score_status': ["present", "absent", "deferred", "exempt", "misconduct", "transferred"],
        'district_kind': ["county", "zone", "city_run"],
        'unit_level': ["city", "district", "school"],
        'wave_level': ["city", "district", "school", "province"],
        'award_level': ["city", "district", "school", "province", "national"],
        'role': ["teacher", "principal", "secretary", "school_leader", "researcher", "education_official", "science_counsellor"],
        'degree': ["associate", "bachelor", "master", "doctor"],
        'degree_field': ["stem", "other"],
        'wave_kind': ["annual_monitoring", "unified_exam", "academic_level_exam", "entry_test"],
        'programme_kind': ["principal_course", "grand_lecture", "master_visit", "subject_training", "other"],
        'mode': ["concentrated", "online", "school_based"],
        'holder_type': ["school", "person", "district", "community", "student_group", "city"],
        'area_kind': ["urban", "rural"],
        'benchmark_kind': ["provincial_rank", "provincial_mean", "national_monitoring"],
    }[name]) }}
{%- endmacro %}

{#- Code of a subject -> its Chinese name, in the order of the curriculum. -#}
{% macro subject_names() -%}
    {{ return({"chinese": "语文", "mathematics": "数学", "english": "英语", "politics": "道德与法治", "history": "历史", "geography": "地理", "physics": "物理", "chemistry": "化学", "biology": "生物", "science": "科学", "music": "音乐", "art": "美术", "pe": "体育与健康", "it": "信息科技", "labour": "劳动"}) }}
{%- endmacro %}
