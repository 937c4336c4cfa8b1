// All of its own data but the dictionaries of Chinese and Japanese words, and of Burmese, Khmer, Lao and Thai ones:
// 3.6 MB of wasm for cuts inside of sentences of more than a chunk. docs/decisions/027-no-dictionaries.md
mod everything {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/mod.rs"));
}
pub use everything::{
    impl_segmenter_break_grapheme_cluster_v1, impl_segmenter_break_line_v1, impl_segmenter_break_sentence_override_v1,
    impl_segmenter_break_sentence_v1, impl_segmenter_break_word_override_v1, impl_segmenter_break_word_v1,
    impl_segmenter_lstm_auto_v1, make_provider,
};

/// A provider that has nothing: the segmenter then goes by the rules alone.
#[doc(hidden)]
#[macro_export]
macro_rules! __impl_nothing {
    ($provider:ty, $marker:ident) => {
        impl icu_provider::DataProvider<icu::segmenter::provider::$marker> for $provider {
            fn load(
                &self,
                request: icu_provider::DataRequest,
            ) -> Result<icu_provider::DataResponse<icu::segmenter::provider::$marker>, icu_provider::DataError> {
                let marker = <icu::segmenter::provider::$marker as icu_provider::DataMarker>::INFO;
                Err(icu_provider::DataErrorKind::IdentifierNotFound.with_req(marker, request))
            }
        }
    };
}

/// Chinese and Japanese.
#[doc(hidden)]
#[macro_export]
macro_rules! __impl_no_auto_dictionary {
    ($provider:ty) => {
        $crate::__impl_nothing!($provider, SegmenterDictionaryAutoV2);
    };
}
pub use __impl_no_auto_dictionary as impl_segmenter_dictionary_auto_v2;

/// Burmese, Khmer, Lao and Thai.
#[doc(hidden)]
#[macro_export]
macro_rules! __impl_no_extended_dictionary {
    ($provider:ty) => {
        $crate::__impl_nothing!($provider, SegmenterDictionaryExtendedV2);
    };
}
pub use __impl_no_extended_dictionary as impl_segmenter_dictionary_extended_v2;
