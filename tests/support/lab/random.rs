//! Chance that is the same in every run of one seed.

/// SplitMix64, by Steele, Lea and Flood.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// Above zero, up to one.
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.uniform().ln() * mean
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// How long work takes, as a multiple of its mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    Constant,
    Lognormal {
        sigma: f64,
    },
    Exponential,
    /// A tenth of the calls take five times as long as the mean, and the others the rest.
    Bimodal,
    /// Pareto with that exponent, cut at a hundred times the mean.
    Heavy {
        exponent: f64,
    },
}

impl Distribution {
    pub fn draw(self, random: &mut Random) -> f64 {
        match self {
            // A few percent, as nothing is quite the same twice.
            Self::Constant => 0.95 + 0.1 * random.uniform(),
            Self::Lognormal { sigma } => (sigma * random.normal() - sigma * sigma / 2.0).exp(),
            Self::Exponential => random.exponential(1.0),
            Self::Bimodal if random.uniform() < 0.1 => 5.0,
            Self::Bimodal => 0.5 / 0.9,
            Self::Heavy { exponent } => {
                let least = (exponent - 1.0) / exponent;
                (least / random.uniform().powf(1.0 / exponent)).min(100.0)
            }
        }
    }
}
